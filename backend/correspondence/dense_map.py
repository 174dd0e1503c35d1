"""``DenseMap``: for every vertex of the source its point on the target, and how far that can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.sampling import interpolate


@dataclass(frozen=True, eq=False)
class DenseMap:
    """A point of the target's surface for every vertex of the source's."""

    faces: Int64  # [V], target triangle
    weights: Float64  # [V, 3], barycentric; 0 for vertices that were not looked at
    confidence: Float64  # [V] in 0..1; 0 where there is no counterpart
    way: str  # "spectral", "nonrigid", ...

    @property
    def without(self) -> Int64:
        """The vertices [N] that were looked at and have no counterpart."""
        return np.flatnonzero((self.confidence == 0.0) & self.weights.any(axis=1))

    def points(self, positions: Float64, triangles: Int64) -> Float64:
        """The points [V, 3], from the target's vertices [U, 3] and triangles [T, 3]."""
        return interpolate(positions, triangles, self.faces, self.weights)

    def vertices(self, triangles: Int64) -> Int64:
        """The nearest corner [V] of each point's triangle."""
        return np.asarray(triangles[self.faces, self.weights.argmax(axis=1)])
