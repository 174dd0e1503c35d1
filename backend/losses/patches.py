"""Smoothness of a map in patches: neighbours are moved alike.

Liu and Liu, NeurIPS 2020: with the offsets delta_i = s'_i - p_i of the members of a small patch, the mean of
1 - cos(delta_i, delta_j) over consecutive members. A cosine is noise where points hardly move.
|delta_i - delta_j|^2 / (2 |delta_i| |delta_j|) is the same for offsets of one length, and with ``softening`` in the
denominator small offsets may differ.
"""

from __future__ import annotations

import torch
from torch import Tensor


def patch_members(
    points: Tensor,  # [S, N, 3]
    centres: int,
    members: int,
    radius: float,  # units
    generator: torch.Generator,
) -> Tensor:
    """Random members [S, C, K] of balls around random points; a ball's own centre is taken where it has too few."""
    shapes, count = points.shape[:2]
    middle = torch.randint(count, (shapes, centres), generator=generator).to(points.device)  # [S, C]
    with torch.no_grad():
        at = points.gather(1, middle[..., None].expand(-1, -1, 3))
        near = torch.cdist(at, points) < radius  # [S, C, N]
        chance = torch.rand(near.shape, generator=generator).to(points.device)
        best = (chance + near.to(chance)).topk(members, dim=2)
        return torch.where(best.values > 1.0, best.indices, middle[..., None])


def patch_smoothness(
    offsets: Tensor,  # [S, N, 3]
    members: Tensor,  # [S, C, K]
    softening: float,  # units
) -> Tensor:
    """Mean over consecutive members; a scalar."""
    shapes, centres, size = members.shape
    chosen = offsets.gather(1, members.reshape(shapes, -1, 1).expand(-1, -1, 3)).reshape(shapes, centres, size, 3)
    first, second = chosen[:, :, :-1], chosen[:, :, 1:]
    lengths = (first.square().sum(-1) * second.square().sum(-1) + softening**4).sqrt()
    return ((first - second).square().sum(-1) / (2.0 * lengths)).mean()
