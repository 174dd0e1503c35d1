"""Occupancy: 1 inside, 0 outside.

Chen and Zhang, CVPR 2019 (IM-NET), and Liu and Liu, NeurIPS 2020: the mean of (max_k f_k(z, x) - v)^2.
"""

from __future__ import annotations

from torch import Tensor


def occupancy_error(
    found: Tensor,  # [...], in 0..1
    wanted: Tensor,  # [...], 0 or 1
) -> Tensor:
    """Mean squared difference; a scalar from 0 to 1."""
    return (found - wanted).square().mean()
