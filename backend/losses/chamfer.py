"""Chamfer: two clouds cover each other.

Liu and Liu, NeurIPS 2020, as in the authors' code, where the root is taken of every point's squared distance:

    L_cd = mean_i min_j |a_i - b_j| + mean_j min_i |a_i - b_j|.

With ``reach`` a distance counts as min(d, reach), smoothly: d -> reach (1 - exp(-d / reach)). A part that only one of
the shapes has then hardly pulls: the published form stretches the other shape's nearest part over it.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST = 1e-12  # squared units; keeps the root differentiable at 0


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances [S, N, M] between clouds [S, N, 3] and [S, M, 3]."""
    square = a.square().sum(-1)[..., :, None] + b.square().sum(-1)[..., None, :]
    return torch.baddbmm(square, a, b.transpose(-1, -2), alpha=-2.0).clamp_min(0.0)


def chamfer(
    a: Tensor,  # [S, N, 3]
    b: Tensor,  # [S, M, 3]
    reach: float | None = None,  # units
) -> Tensor:
    """Both directions together; a scalar in units."""
    with torch.no_grad():
        square = distances(a, b)
        to_b, to_a = square.argmin(dim=2), square.argmin(dim=1)
    there = _length(a - _chosen(b, to_b))
    back = _length(b - _chosen(a, to_a))
    if reach is not None:
        there, back = (reach * (1.0 - torch.exp(-d / reach)) for d in (there, back))
    return there.mean() + back.mean()


def _chosen(points: Tensor, index: Tensor) -> Tensor:
    return points.gather(1, index[..., None].expand(-1, -1, points.shape[-1]))


def _length(vectors: Tensor) -> Tensor:
    return (vectors.square().sum(-1) + SMALLEST).sqrt()
