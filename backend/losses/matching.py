"""Matching: carried points arrive at their partners.

Sang et al., ICLR 2025 (INSD), the matching loss: the mean of |x(1) - y|^2 over corresponding points.
"""

from __future__ import annotations

from torch import Tensor


def matching(
    arrived: Tensor,  # [N, 3], carried to time 1
    target: Tensor,  # [N, 3], their partners
    weights: Tensor | None = None,  # [N], trust in each pair
) -> Tensor:
    """Weighted mean of |arrived - target|^2, in squared units; a scalar."""
    squared = (arrived - target).square().sum(-1)
    return squared.mean() if weights is None else (weights * squared).sum() / weights.sum()
