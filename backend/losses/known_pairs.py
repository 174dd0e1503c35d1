"""Known pairs: a shape grown in two ways is a pair whose match is known. The project's own term.

With z_1, z_2 the codes of the shape grown by W_1 and W_2, the mean of |g(z_2, f(z_1, W_1 p)) - W_2 p|. Not squared, so
that it keeps its say beside the Chamfer and transport losses, which are lengths, too.
"""

from __future__ import annotations

from torch import Tensor

SOFT = 1e-6  # squared units; makes the norm smooth at 0


def known_pairs(
    places: Tensor,  # [..., 3]
    partners: Tensor,  # [..., 3]
) -> Tensor:
    """Mean distance; a scalar in units."""
    return ((places - partners).square().sum(-1) + SOFT).sqrt().mean()
