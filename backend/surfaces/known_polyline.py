"""``KnownPolyline``: exact distances to curves in the plane and in space, signed where curves in the plane enclose."""

from __future__ import annotations

import igl
import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.check import count as counted
from backend.geometry.outline import outline_of
from backend.geometry.plane_winding import PlaneWinding
from backend.geometry.sampling import sample_segments
from backend.geometry.triangles import unit
from backend.surfaces.known_shape import KnownShape

ENCLOSING = 0.9  # share of the length of curves in the plane that must enclose something for them to have an inside


class KnownPolyline(KnownShape):
    """Segments [S, 2] over points [N, D] in the unit frame.

    In the plane, what closed curves enclose is inside (``backend.geometry.outline``): a curve inside another is a hole.
    A curve is closed by a straight line where its ends are near each other. Open curves have no inside; beside closed
    ones, as long as they are few, they are left out. In space curves have no inside at all.
    """

    exact = True

    def __init__(self, points: Float64, segments: Int64, *, inside: bool = True) -> None:
        self.dimension = points.shape[1]
        self.said: tuple[str, ...] = ()
        self._given = points, segments
        self.signed = False
        if inside and self.dimension == 2:
            outline = outline_of(points, segments)
            if outline.enclosing >= ENCLOSING:
                self.signed = True
                points, segments = outline.points, outline.segments
                self.said = _said(outline.gaps, 1.0 - outline.enclosing)
            elif outline.enclosing > 0.0:
                self.said = (f"only {outline.enclosing:.0%} of the curves are closed, so they have no inside",)
        self._points = points
        self._winding = PlaneWinding(points, segments) if self.signed else None
        # The search tree crashes with points of two coordinates.
        self._positions = np.ascontiguousarray(np.pad(points, ((0, 0), (0, 3 - self.dimension))))
        self._segments = np.ascontiguousarray(segments, np.int64)
        self._tree = igl.AABB()
        self._tree.init(self._positions, self._segments)

    def on_surface(self, count: int, rng: np.random.Generator) -> tuple[Float64, Float64 | None]:
        points, segment = sample_segments(self._points, self._segments, count, rng)
        if not self.signed:
            return points, None
        along = np.diff(self._points[self._segments[segment]], axis=1)[:, 0]  # [count, 2]
        # Outlines have their inside on the left.
        return points, unit(np.stack([along[:, 1], -along[:, 0]], axis=1))

    def distances(self, points: Float64) -> Float64:
        found = np.zeros(len(points))
        if len(points):
            asked = np.ascontiguousarray(np.pad(points, ((0, 0), (0, 3 - self.dimension))))
            squared, _, _ = self._tree.squared_distance(self._positions, self._segments, asked)
            found = np.sqrt(np.maximum(np.asarray(squared).reshape(-1), 0.0))
        return found if self._winding is None else np.where(self._winding(points) != 0, -found, found)

    def without_inside(self) -> KnownPolyline:
        return KnownPolyline(*self._given, inside=False) if self.signed else self


def _said(gaps: int, left_out: float) -> tuple[str, ...]:
    """What the artist should know of curves that enclose something."""
    found = []
    if gaps:
        ends = "that ends near its start is" if gaps == 1 else "that end near their start are"
        found.append(f"{counted(gaps, 'curve', 'curves')} {ends} closed by a straight line")
    if left_out > 0.0:
        found.append(f"open curves, {left_out:.1%} of the length, bound nothing and are left out of the signed field")
    return tuple(found)
