"""f is 0 on the surface: at both ends, and along the way.

Sang et al., ICLR 2025 (INSD), the manifold terms. At time 1 two sets of points are on the surface: those that V
brought there, and those of the target itself.
"""

from __future__ import annotations

import torch
from torch import Tensor


def manifold(
    source: Tensor,  # [N], f of the source's points at time 0
    arrived: Tensor,  # [N], f of the same points carried to time 1
    target: Tensor,  # [M], f of the target's points at time 1
) -> Tensor:
    """Half the sum of the three means of |f|, as published; a scalar in units."""
    return (source.abs().mean() + arrived.abs().mean() + target.abs().mean()) / 2


def on_surface(values: Tensor) -> Tensor:
    """Mean of |f| over carried points and the times between the ends [K, N]; a scalar in units. 0 without times."""
    return values.abs().mean() if values.numel() else torch.zeros_like(values.sum())
