"""Eikonal: f is a distance, so its gradient has length 1.

Gropp et al., ICML 2020 (IGR), eq. 3; Sang et al., ICLR 2025 (INSD), on the surface and off it (their non-manifold
term): the mean of (1 - |grad f|)^2.
"""

from __future__ import annotations

from torch import Tensor

SMALLEST = 1e-12  # squared; keeps the norm differentiable at 0


def eikonal(gradient: Tensor) -> Tensor:
    """Mean of (1 - |grad f|)^2 over gradients [N, 3]; a scalar."""
    length = (gradient.square().sum(-1) + SMALLEST).sqrt()
    return (1.0 - length).square().mean()
