"""SALD: a signed field from distances without a sign and normals without a side.

Atzmon and Lipman, *SAL: Sign Agnostic Learning*, CVPR 2020, eq. 4 and 5, and *SALD*, ICLR 2021, eq. 3. The form is that
of Coiffier and Bethune's code, SGP 2024, but for its two faults: its labels [B] against values [B, 1] made a table of
B x B differences, and its minimum over the two sides was taken of the whole batch at once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from backend.losses.eikonal import SMALLEST


def unsigned_error(values: Tensor, distances: Tensor, kind: str = "l2") -> Tensor:
    """Mean of ||f| - h| for values and unsigned distances [B]; a scalar in units.

    ``kind`` l2: h is the distance; l0: h is 1 wherever the distance is not 0. Distances may come as [B, 1].
    """
    wanted = distances.reshape(values.shape)
    if kind == "l0":
        wanted = (wanted != 0.0).to(values.dtype)
    return (values.abs() - wanted).abs().mean()


def attachment(values: Tensor) -> Tensor:
    """Mean of f^2 over points on the surface [B]; a scalar in square units."""
    return values.square().mean()


def either_side(gradient: Tensor, normals: Tensor) -> Tensor:
    """Mean over the points of min(|g - n|, |g + n|) for gradients and unit normals [B, D]; a scalar."""
    towards = (gradient - normals).square().sum(-1)  # [B]
    away = (gradient + normals).square().sum(-1)  # [B]
    return (torch.minimum(towards, away) + SMALLEST).sqrt().mean()
