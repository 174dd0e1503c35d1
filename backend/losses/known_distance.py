"""Known distance: where the signed distance d of a shape can be computed, f has its value. The project's own term."""

from __future__ import annotations

from torch import Tensor


def known_distance(
    values: Tensor,  # [N]
    distances: Tensor,  # [N], signed
    weights: Tensor,  # [N], 1 at the surface
) -> Tensor:
    """Mean of w |f - d|; a scalar in units. Not squared, so that a few thin places do not outweigh the rest."""
    return (weights * (values - distances).abs()).mean()
