"""``Shape``: what a distance field is fitted to, a mesh, a point cloud or polylines, and the frame it is fitted in."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from backend.geometry.arrays import Float64, Int64

KINDS = ("auto", "mesh", "cloud", "polyline", "loop")  # what a file may be asked to be read as
LONGEST = 1.8  # longest side of a shape in the unit frame: with room for what lies around it in -1..1


@dataclass(frozen=True, eq=False)
class Shape:
    """Points in D = 2 or 3 dimensions, and what joins them. Without triangles and segments it is a point cloud."""

    points: Float64  # [N, D]
    normals: Float64 | None = None  # [N, D], unit, outwards: of a point cloud
    triangles: Int64 | None = None  # [T, 3]: of a surface
    segments: Int64 | None = None  # [S, 2]: of polylines

    @property
    def dimension(self) -> int:
        return self.points.shape[1]

    @property
    def kind(self) -> str:
        """``mesh``, ``polyline`` or ``cloud``."""
        if self.triangles is not None:
            return "mesh"
        return "cloud" if self.segments is None else "polyline"

    def used(self) -> Float64:
        """The points [M, D] that are part of the shape: lone vertices of a mesh or of polylines are not."""
        joined = self.segments if self.triangles is None else self.triangles
        return self.points if joined is None else self.points[np.unique(joined)]

    def entered(self, frame: UnitFrame) -> Shape:
        """The same shape in the unit frame."""
        return replace(self, points=frame.enter(self.points))


@dataclass(frozen=True, eq=False)
class UnitFrame:
    """Where networks work: lengths of order one around the origin. ``x = centre + length * u``."""

    centre: Float64  # [D], object space
    length: float  # object space length of one unit

    @staticmethod
    def around(points: Float64) -> UnitFrame:
        """The frame in which the box of points [N, D] is centred and has a longest side of ``LONGEST``."""
        low, high = points.min(axis=0), points.max(axis=0)
        side = float((high - low).max())
        return UnitFrame((low + high) / 2, side / LONGEST if side > 0.0 else 1.0)

    def enter(self, points: Float64) -> Float64:
        """Object space [N, D] to unit frame."""
        return np.asarray((points - self.centre) / self.length)

    def leave(self, points: Float64) -> Float64:
        """Unit frame [N, D] to object space."""
        return np.asarray(self.centre + self.length * points)
