"""Distances to a surface with a sign: negative inside, whatever the surface is like."""

from __future__ import annotations

import igl
import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.sides import INSIDE, Sides, Winding, sides_of, turned_faces, unit_frame
from backend.geometry.sides import winding_numbers as winding_numbers


class SignedSurface:
    """Signed distances to one surface, its sides decided and its search trees built once.

    The sign is that of the generalised winding number of the parts that bound a volume; holes are closed by it. Sheets
    count as shells of the thickness that ``sides`` says. The distance is exact up to the holes that were closed.
    """

    def __init__(self, positions: Float64, triangles: Int64, sides: Sides | None = None) -> None:
        self.sides = sides_of(positions, triangles) if sides is None else sides
        solid = self.sides.facing != 0
        walls = solid & ~self.sides.buried
        self._sheet = _Distance(positions, triangles[~solid]) if not solid.all() else None
        self._wall = _Distance(positions, triangles[walls]) if walls.any() else None
        turned = turned_faces(triangles, self.sides.facing)
        self._winding = Winding(positions, turned[solid]) if solid.any() else None

    def __call__(self, points: Float64) -> Float64:
        """Distance [N] of every point [N, 3], negative inside."""
        found = np.full(len(points), np.inf)
        if self._wall is not None and self._winding is not None:
            inside = self._winding(points) > INSIDE
            distance = self._wall(points)
            found = np.where(inside, -distance, distance)
        if self._sheet is not None:
            found = np.minimum(found, self._sheet(points) - self.sides.thickness / 2)
        return found


def signed_distance(points: Float64, positions: Float64, triangles: Int64) -> Float64:
    """Distance [N] of every point [N, 3] to the surface, negative inside; ``SignedSurface`` for many questions."""
    return SignedSurface(positions, triangles)(points)


class _Distance:
    """Unsigned distances to triangles, their search tree built once."""

    def __init__(self, positions: Float64, triangles: Int64) -> None:
        used, compact = np.unique(triangles, return_inverse=True)
        self._middle, self._size = unit_frame(positions[used])
        self._positions = np.ascontiguousarray((positions[used] - self._middle) / self._size)
        self._triangles = np.ascontiguousarray(compact.reshape(-1, 3), np.int64)
        self._tree = igl.AABB()
        self._tree.init(self._positions, self._triangles)

    def __call__(self, points: Float64) -> Float64:
        if not len(points):
            return np.zeros(0)
        scaled = np.ascontiguousarray((points - self._middle) / self._size)
        squared, _, _ = self._tree.squared_distance(self._positions, self._triangles, scaled)
        return np.asarray(np.sqrt(np.maximum(np.asarray(squared).reshape(-1), 0.0)) * self._size)
