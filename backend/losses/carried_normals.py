"""Normals of a carried surface: where a point is taken to, the surface there faces as the carried one does.

Liu and Liu, NeurIPS 2020: the mean of 1 - cos(n(s'_i), n(s_j)), s_j the point of the shape nearest to s'_i. Their
n is the normalised slope of the occupancy, taken out of the gradient; with piecewise linear layers it would not depend
on the place s'_i anyway. Here n(s'_i) belongs to the map: the cross product of what two tangents at p become, so that
its gradient reaches every network that made s'_i.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from backend.losses.chamfer import distances


def carried_normals(
    places: Tensor,  # [S, N, 3], s'
    along: tuple[Tensor, Tensor],  # images [S, N, 3] of points a small way off along two tangents, right-handed
    points: Tensor,  # [S, M, 3], of the shape that s' should lie on
    normals: Tensor,  # [S, M, 3], unit
) -> Tensor:
    """Mean of 1 - cos; a scalar from 0 to 2."""
    with torch.no_grad():
        nearest = distances(places, points).argmin(dim=2)
        wanted = normals.gather(1, nearest[..., None].expand(-1, -1, 3))
    first, second = (image - places for image in along)
    # Lengths are taken out before the product, too: a shrunk image has the same normal and no smaller gradient.
    first, second = (functional.normalize(tangent, dim=-1, eps=1e-6) for tangent in (first, second))
    found = functional.normalize(torch.cross(first, second, dim=-1), dim=-1, eps=1e-6)
    return (1.0 - (found * wanted).sum(-1)).mean()
