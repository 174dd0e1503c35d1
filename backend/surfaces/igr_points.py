"""What ``igr`` is trained on: points of the shape, how far around them to look, and distances that are known anyway."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.geometry.arrays import Float64
from backend.surfaces.dataset import Dataset
from backend.surfaces.known_cloud import KnownCloud
from backend.surfaces.known_shape import KnownShape
from backend.surfaces.step_samples import BOX
from backend.training.run import Run
from backend.training.surface_samples import spread

LABELS = 20_000  # points inside, and as many outside, whose distance is looked up
ROUGH = 1.0  # spacings of a cloud without normals: nearer than this its distances are not trusted
LEAST = 0.1  # that a label counts, however far
FLOOR = 0.03  # units of distance from where a label counts for less


@dataclass(frozen=True, eq=False)
class IgrPoints:
    """Points in the unit frame."""

    on: Tensor  # [N, D]
    normals: Tensor | None  # [N, D]
    reach: Tensor  # [N], deviation of the points drawn around each
    known: Tensor | None  # [M, D]
    distances: Tensor  # [M], signed
    trust: Tensor  # [M], weight of each


def igr_points(data: Dataset, run: Run, *, estimate: bool, labels: bool) -> IgrPoints:
    """The points of a dataset. ``reach`` is the distance to the 50th neighbour, measured on positions alone.

    With ``labels``, points inside and outside get their distance: exact, or as the points tell it.
    """
    on, normals = data.arrays["on"], data.arrays.get("normals")
    shape = data.shape or KnownCloud(on, normals, run)
    on, first = np.unique(on, axis=0, return_index=True)  # of a small cloud each point was drawn several times
    normals = None if normals is None or (shape.estimated and not estimate) else normals[first]
    places = _tensor(on, run)
    points, distances, trust = None, torch.zeros(0), torch.zeros(0)
    if labels:
        found = _known(data, shape, run)
        points, distances, trust = (_tensor(array, run) for array in found)
    return IgrPoints(
        on=places,
        normals=None if normals is None else _tensor(normals, run),
        reach=spread(places),
        known=points,
        distances=distances,
        trust=trust,
    )


def _known(data: Dataset, shape: KnownShape, run: Run) -> tuple[Float64, Float64, Float64]:
    """Points [M, D], their distances [M] and how much each counts [M]."""
    everywhere = np.random.default_rng(run.seed).uniform(-BOX, BOX, (LABELS // 4, data.dimension))
    points = np.concatenate([*(data.arrays[side][:LABELS] for side in ("inside", "outside")), everywhere])
    distances = shape.distances(points)
    run.progress(0, 0)
    if shape.estimated and isinstance(shape, KnownCloud):
        rough = ROUGH * float(np.median(shape.spacing))
        clear = np.abs(distances) > rough
        points, distances = points[clear], distances[clear]
    return points, distances, np.clip(FLOOR / np.maximum(np.abs(distances), FLOOR), LEAST, 1.0)


def _tensor(array: Float64, run: Run) -> Tensor:
    return torch.as_tensor(array, dtype=torch.float32, device=run.device)
