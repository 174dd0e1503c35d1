"""How far the surface of a code is from a shape: exact distances from points to surfaces, in percent of a diagonal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.distance import closest_on_surface, exact_distances
from backend.geometry.shape import Shape
from backend.geometry.sides import sides_of
from backend.geometry.triangles import diagonal
from backend.surfaces.queries.isosurface import isosurface
from backend.surfaces.queries.lattice import Check
from backend.surfaces.space.model import ShapeSpace

POINTS = 20_000  # on each surface
CELLS = 128  # along the longest side of the space's box
NOTHING = 100.0  # percent, where there is no surface at all


@dataclass(frozen=True)
class Errors:
    """Means, in percent of the shape's diagonal."""

    from_shape: float  # of the distances from the shape to the surface of the code
    to_shape: float | None  # and back; not known where the shape is a cloud, which need not cover all of it

    @property
    def chamfer(self) -> float:
        """The mean of both ways, or the one way that is known."""
        return self.from_shape if self.to_shape is None else (self.from_shape + self.to_shape) / 2


def errors_at(
    space: ShapeSpace, code: Float64, shape: Shape, *, cells: int = CELLS, seed: int = 0, check: Check | None = None
) -> Errors:
    """Of the surface that a code [C] stands for, held against a shape in object space."""
    return errors_of(isosurface(space.field(code), 0.0, cells, check=check), shape, seed)


def errors_of(surface: tuple[Float64, Int64], shape: Shape, seed: int = 0) -> Errors:
    """Of a surface (positions [V, 3], triangles [T, 3]), held against a shape; what the shape buries does not count."""
    positions, triangles = surface
    rng = np.random.default_rng(seed)
    if shape.triangles is None:
        size = float(np.linalg.norm(np.ptp(shape.points, axis=0))) or 1.0
        wanted = shape.points[rng.permutation(len(shape.points))[:POINTS]]
        if not len(triangles):
            return Errors(NOTHING, None)
        return Errors(100.0 * float(closest_on_surface(wanted, positions, triangles)[0].mean()) / size, None)
    if not len(triangles):
        return Errors(NOTHING, NOTHING)
    size = diagonal(shape.points, shape.triangles)
    shown = shape.triangles[~sides_of(shape.points, shape.triangles).buried]
    there, back = exact_distances((shape.points, shown), surface, POINTS, rng)
    return Errors(100.0 * float(there.mean()) / size, 100.0 * float(back.mean()) / size)
