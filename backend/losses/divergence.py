"""Divergence: a flow without it keeps every volume.

Sang et al., ICLR 2025 (INSD), the volume loss: the mean of (div V)^2. INSD ships with weight 0, 4Deform with 20-30.
"""

from __future__ import annotations

from torch import Tensor

from backend.fields import derivatives


def divergence(jacobian: Tensor) -> Tensor:
    """Mean of (div V)^2 over Jacobians [N, 3, 3]; a scalar."""
    return derivatives.divergence(jacobian).square().mean()
