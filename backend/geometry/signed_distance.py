"""Distances to a surface with a sign: negative inside, whatever the surface is like."""

from __future__ import annotations

import igl
import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.sides import INSIDE, Sides, Winding, sides_of, turned_faces, unit_frame
from backend.geometry.sides import winding_numbers as winding_numbers

ACROSS_HOLES = 1.5  # longest gradient where the winding number closes a hole; at its rim it is 1 + 1 / pi
NARROW = 1e-12  # of the surface's size: a distance below has no direction


class SignedSurface:
    """Signed distances to one surface, its sides decided and its search trees built once.

    Inside of the parts that bound a volume is where their generalised winding number w is above a half, which closes
    holes. Where there are any, the distance is multiplied by 1 - 2 w between -1 and 1, so that it falls to 0 on the
    face that closes a hole, too; the surface itself stays where it is. Without holes, inside is also where w is below
    minus a half: what is pushed through its own back is inside out there, but no less a part of the shape. Sheets
    count as shells of the thickness that ``sides`` says. Of closed parts the distance is exact.
    """

    def __init__(self, positions: Float64, triangles: Int64, sides: Sides | None = None) -> None:
        self.sides = sides_of(positions, triangles) if sides is None else sides
        solid = self.sides.facing != 0
        walls = solid & ~self.sides.buried
        self._sheet = Distance(positions, triangles[~solid]) if not solid.all() else None
        self._wall = Distance(positions, triangles[walls]) if walls.any() else None
        turned = turned_faces(triangles, self.sides.facing)
        self._winding = Winding(positions, turned[solid]) if solid.any() else None
        self.slope = slope_of(self.sides)

    def __call__(self, points: Float64) -> Float64:
        """Distance [N] of every point [N, 3], negative inside."""
        return self.with_gradient(points)[0]

    def with_gradient(self, points: Float64) -> tuple[Float64, Float64]:
        """Distance [N] and its gradient [N, 3], which is 0 on the surface itself.

        Before holes it is the gradient of the distance alone, without that of the winding number.
        """
        found, gradient = np.full(len(points), np.inf), np.zeros((len(points), 3))
        if self._wall is not None and self._winding is not None:
            distance, away = self._wall(points)
            winding = self._winding(points)
            sign = np.where(np.abs(winding) > INSIDE, -1.0, 1.0)
            if self.sides.holes:
                sign = np.clip(1.0 - 2.0 * winding, -1.0, 1.0)
            found, gradient = sign * distance, sign[:, None] * away
        if self._sheet is not None:
            distance, away = self._sheet(points)
            shell = distance - self.sides.thickness / 2
            gradient = np.where((shell < found)[:, None], away, gradient)
            found = np.minimum(found, shell)
        return found, gradient


def slope_of(sides: Sides) -> float:
    """The gradient of the distance is nowhere longer."""
    return ACROSS_HOLES if sides.holes else 1.0


def signed_distance(points: Float64, positions: Float64, triangles: Int64) -> Float64:
    """Distance [N] of every point [N, 3] to the surface, negative inside; ``SignedSurface`` for many questions."""
    return SignedSurface(positions, triangles)(points)


class Distance:
    """Distances to triangles without a sign, and the directions away from them; their search tree built once."""

    def __init__(self, positions: Float64, triangles: Int64) -> None:
        used, compact = np.unique(triangles, return_inverse=True)
        self._middle, self._size = unit_frame(positions[used])
        self._positions = np.ascontiguousarray((positions[used] - self._middle) / self._size)
        self._triangles = np.ascontiguousarray(compact.reshape(-1, 3), np.int64)
        self._tree = igl.AABB()
        self._tree.init(self._positions, self._triangles)

    def __call__(self, points: Float64) -> tuple[Float64, Float64]:
        if not len(points):
            return np.zeros(0), np.zeros((0, 3))
        scaled = np.ascontiguousarray((points - self._middle) / self._size)
        squared, _, closest = self._tree.squared_distance(self._positions, self._triangles, scaled)
        distance = np.sqrt(np.maximum(np.asarray(squared).reshape(-1), 0.0))
        away = (scaled - np.asarray(closest).reshape(-1, 3)) / np.maximum(distance, NARROW)[:, None]
        return distance * self._size, away
