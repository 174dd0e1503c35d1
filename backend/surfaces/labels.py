"""The labelled points of a dataset that a network is trained on: those of the cube in which it will be asked."""

from __future__ import annotations

import numpy as np

from backend.geometry.arrays import Float64
from backend.surfaces.dataset import Dataset
from backend.surfaces.known_shape import labels_of
from backend.surfaces.step_samples import BOX
from backend.training.run import Run

ALL_OVER = 0.2  # of the points, drawn all over the cube where the shape is known
BESIDE = 0.4  # of the points, drawn right beside the shape
OFF = 0.006  # standard deviation of those from it, units: what a sharp corner is told apart by


def labels_in_reach(data: Dataset, run: Run) -> tuple[Float64, Float64]:
    """Points [N, D] and distances [N] of a dataset with distances, whose signs mean nothing in mode ``sal``.

    The far box of the datasets is up to five times as wide as the cube and leaves its corners nearly empty: points
    beyond the cube are left out, since the field is continued there. Others are drawn in the cube, and along the shape.
    """
    points, distances = data.arrays["points"], data.arrays["distances"]
    inside = (np.abs(points) <= BOX).all(axis=1)
    if not inside.any():
        return points, distances
    points, distances = points[inside], distances[inside]
    if data.shape is None:
        return points, distances
    rng = np.random.default_rng(run.seed)
    on, _ = data.shape.on_surface(round(BESIDE * len(points)), rng)
    all_over = rng.uniform(-BOX, BOX, (round(ALL_OVER * len(points)), data.dimension))
    more = np.concatenate([on + OFF * rng.normal(size=on.shape), all_over])
    return np.concatenate([points, more]), np.concatenate([distances, labels_of(data.shape, more, run)])
