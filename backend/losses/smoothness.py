"""Smoothness of a velocity field.

Sang et al., ICLR 2025 (INSD), the smoothness loss: the mean of |(I - alpha Laplacian) V|^2 with alpha = 0.01.
With ReLU layers the Laplacian is 0 wherever it exists and what is left is the kinetic energy mean |V|^2; a smooth
activation makes the loss what it says.
"""

from __future__ import annotations

from torch import Tensor

ALPHA = 0.01


def smoothness(
    velocity: Tensor,  # [N, 3]
    laplacian: Tensor | None,  # [N, 3]; None for a field whose second derivatives are 0
    alpha: float = ALPHA,
) -> Tensor:
    """Mean of |V - alpha Lap V|^2; a scalar in the square of the velocity's unit."""
    smoothed = velocity if laplacian is None else velocity - alpha * laplacian
    return smoothed.square().sum(-1).mean()
