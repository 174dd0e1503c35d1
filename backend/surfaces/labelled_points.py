"""Points with distances that a network is to have: most of them near the shape, at several scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.surfaces.known_shape import KnownShape
from backend.surfaces.step_samples import BOX, StepSamples
from backend.training.run import Run

NEAR, FAR = 300_000, 50_000  # points
SPREADS = (0.003, 0.01, 0.03, 0.1)  # of points around those of the shape, in equal shares; units
FAR_SHARE = 0.1  # of a batch
FLOOR = 0.1  # distance from where a label counts for less, units
BATCH = 20_000  # points labelled at once


@dataclass(frozen=True, eq=False)
class LabelledPoints:
    """Points near the shape, then points in the box."""

    near: int  # how many of them are near
    points: Tensor  # [N, D]
    distances: Tensor  # [N]
    weights: Tensor  # [N]: 1 near the shape, falling with the distance

    def rows(self, draw: StepSamples, step: int, count: int) -> Tensor:
        """Which ``count`` of them a step takes."""
        far = round(FAR_SHARE * count)
        around = draw.rows(step, self.near, count - far)
        return torch.cat([around, self.near + draw.rows(step, len(self.points) - self.near, far, part=1)])


def labelled_points(shape: KnownShape, signed: bool, run: Run) -> LabelledPoints:
    """Drawn with the run's seed; distances without a sign unless ``signed``."""
    rng = np.random.default_rng(run.seed)
    on = shape.on_surface(NEAR, rng)[0]
    around = on + np.resize(SPREADS, len(on))[:, None] * rng.normal(size=on.shape)
    points = np.concatenate([around, rng.uniform(-BOX, BOX, (FAR, shape.dimension))])
    distances = np.empty(len(points))
    for start in range(0, len(points), BATCH):
        run.progress(start, len(points))
        part = slice(start, start + BATCH)
        distances[part] = shape.distances(points[part])
    if not signed:
        distances = np.abs(distances)
    weights = FLOOR / np.maximum(np.abs(distances), FLOOR)
    given = (torch.as_tensor(array, dtype=torch.float32).to(run.device) for array in (points, distances, weights))
    return LabelledPoints(len(on), *given)
