"""Points with distances that a network is to have: most of them near the shape, at several scales."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.geometry.arrays import Float64
from backend.surfaces.known_shape import KnownShape
from backend.surfaces.step_samples import BOX, StepSamples
from backend.training.run import Run

PARTS = 20  # of the sampling
NEAR, FAR = 15_000, 2_500  # points of each part
TIME = 0.15  # of a time budget, in which as many parts are sampled as can be
SPREADS = (0.003, 0.01, 0.03, 0.1)  # of points around those of the shape, in equal shares; units
FAR_SHARE = 0.1  # of a batch
FLOOR = 0.1  # distance from where a label counts for less, units


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
    near, far = list[Float64](), list[Float64]()
    enough = (1.0 - TIME) * run.seconds_left()
    for part in range(PARTS):
        run.progress(part, PARTS)
        if part > 0 and run.seconds_left() < enough:
            break
        on = shape.on_surface(NEAR, rng)[0]
        around = on + np.resize(SPREADS, len(on))[:, None] * rng.normal(size=on.shape)
        box = rng.uniform(-BOX, BOX, (FAR, shape.dimension))
        for kept, points in ((near, around), (far, box)):
            kept.append(np.column_stack([points, shape.distances(points)]))
    drawn = np.concatenate([*near, *far])
    points, distances = drawn[:, :-1], drawn[:, -1]
    if not signed:
        distances = np.abs(distances)
    weights = FLOOR / np.maximum(np.abs(distances), FLOOR)
    given = (torch.as_tensor(array, dtype=torch.float32).to(run.device) for array in (points, distances, weights))
    return LabelledPoints(sum(map(len, near)), *given)
