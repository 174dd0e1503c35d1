"""hKR: on which side of a surface points lie, and as far from it as a 1-Lipschitz function can tell.

Serrurier et al., CVPR 2021 (hinge-regularised Kantorovich-Rubinstein loss), as Coiffier and Bethune, SGP 2024, use it
for distance fields: the 1-Lipschitz function of least loss is the distance, off by at most the margin.
"""

from __future__ import annotations

from torch import Tensor


def hkr(
    scores: Tensor,  # [N], f of points where it should be positive, -f of those where it should be negative
    margin: float,  # units
    weight: float,  # lambda: of the hinge against the distance
) -> Tensor:
    """Sum of relu(m - y) - y / lambda; a scalar in units.

    A sum over the points, as in the authors' code, where each class adds its size times its mean of -y / lambda.
    """
    return ((margin - scores).relu() - scores / weight).sum()
