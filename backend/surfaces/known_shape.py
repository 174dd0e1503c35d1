"""What is known of the distance to a shape before any network: exact for meshes and polylines, estimated for clouds."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from backend.geometry.arrays import Float64
from backend.training.run import Run

BATCH = 20_000  # points whose distances are looked up at once


class KnownShape(ABC):
    """A shape in the unit frame. Subclasses are final, one a kind of input."""

    dimension: int
    signed: bool  # whether it has an inside
    exact: bool  # whether distances are exact; of a cloud they are estimates
    estimated: bool = False  # whether its normals are estimates
    said: tuple[str, ...]  # what the artist should know of it: holes closed, orientation estimated

    @abstractmethod
    def on_surface(self, count: int, rng: np.random.Generator) -> tuple[Float64, Float64 | None]:
        """Points [count, D] of the shape, uniform, and unit normals outwards [count, D] where it has an inside."""

    @abstractmethod
    def distances(self, points: Float64) -> Float64:
        """Distance [N] to points [N, D]; negative inside where ``signed``."""

    def without_inside(self) -> KnownShape:
        """The same shape for an unsigned field: every part of it counts as it stands, whether it bounds anything."""
        return self


def labels_of(shape: KnownShape, points: Float64, run: Run) -> Float64:
    """Distances [N] of a shape to many points [N, D]; the run hears of it, and may end it."""
    found = [np.zeros(0)]
    for start in range(0, len(points), BATCH):
        run.progress(start, len(points))
        found.append(shape.distances(points[start : start + BATCH]))
    return np.concatenate(found)
