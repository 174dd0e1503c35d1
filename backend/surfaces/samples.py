"""``Samples``: draws points on, near and far from a known shape, in the unit frame.

Coiffier and Bethune, SGP 2024, in the way of their published code: boxes around the shape whose margins are in its
longest side, 0.05 near, 1 or 2 far.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from backend.geometry.arrays import Float64
from backend.geometry.shape import LONGEST
from backend.geometry.triangles import unit
from backend.surfaces.known_shape import BATCH, KnownShape, labels_of
from backend.training.run import Run
from protocol.mesh import MeshError

REACH = 1.0 / 30.0  # of the longest side: the density of points near the shape falls by 1/e over it
POOL = 20_000  # points of the shape that others are drawn around
TRIES = 60  # candidates for every point of a class
INWARD = 3.0  # times the shape is looked behind for points inside that chance does not find


class Samples:
    """The points of one dataset."""

    NEAR: ClassVar[float] = 0.05  # margins of boxes, of the longest side
    FAR: ClassVar[float] = 1.0
    VERY_FAR: ClassVar[float] = 2.0

    def __init__(self, known: KnownShape, low: Float64, high: Float64, run: Run, importance: bool) -> None:
        self.importance = importance
        self._known = known
        self._low, self._high = low, high  # [D]
        self._run = run
        self._rng = np.random.default_rng(run.seed)
        self._pool: Float64 | None = None  # [P, D], points of the shape that others are drawn around

    def on(self, count: int) -> tuple[Float64, Float64 | None]:
        """Points of the shape [N, D], and their normals where it has an inside."""
        return self._known.on_surface(count, self._rng)

    def drawn(self, count: int, shares: tuple[float, float, float], far: float) -> Float64:
        """Points [count, D] in random order: such shares of them along the shape, in the near box, in the far one."""
        parts = self._rng.multinomial(count, shares)
        points = [self._along(int(parts[0])), self._box(int(parts[1]), self.NEAR), self._box(int(parts[2]), far)]
        return self._rng.permutation(np.concatenate(points))

    def distances(self, points: Float64) -> Float64:
        """Labels [N] of points [N, D]."""
        return labels_of(self._known, points, self._run)

    def sides(self, count: int) -> tuple[Float64, Float64]:
        """Points inside and outside, [count, D] each.

        Candidates are drawn until there are enough of both. Where the shape is too thin for chance to find its
        inside, points are looked for behind its surface.
        """
        shares = (0.8, 0.15, 0.05) if self.importance else (0.0, 200 / 205, 5 / 205)
        inside, outside = [np.zeros((0, len(self._low)))], [np.zeros((0, len(self._low)))]
        n_inside = n_outside = tried = 0
        while min(n_inside, n_outside) < count and tried < TRIES * count:
            points = self.drawn(min(BATCH, 2 * count), shares, self.FAR)
            self._run.progress(min(n_inside, count) + min(n_outside, count), 2 * count)
            distance = self._known.distances(points)
            if n_inside < count:
                inside.append(points[distance < 0.0])
                n_inside += len(inside[-1])
            if n_outside < count:
                outside.append(points[distance > 0.0])
                n_outside += len(outside[-1])
            tried += len(points)
        found = np.concatenate(inside)
        if len(found) < count:
            found = np.concatenate([found, self._behind(count - len(found), found)])
        return found[:count], np.concatenate(outside)[:count]

    def test(self, count: int) -> tuple[Float64, Float64]:
        """Points [count, D] to measure with and their distances: a sixth on the shape, the rest in two boxes."""
        on, near = count // 6, count * 5 // 12
        parts = [self.on(on)[0], self._box(near, 0.1), self._box(count - on - near, self.FAR)]
        points = np.concatenate(parts)
        return points, self.distances(points)

    def _behind(self, count: int, known: Float64) -> Float64:
        """Points inside [count, D], a little behind the surface; those already known again where there are none."""
        found = [known[:0]]
        depth = REACH * LONGEST
        for _ in range(20):
            on, normals = self.on(count)
            if normals is None or sum(map(len, found)) >= count:
                break
            points = on - depth * self._rng.random((len(on), 1)) * normals
            found.append(points[self._known.distances(points) < 0.0])
            depth /= INWARD
        behind = np.concatenate(found)[:count]
        pool = np.concatenate([known, behind])
        if not len(pool):
            raise MeshError(
                "the shape: it is so thin that no point is inside it; ask for an unsigned field, or thicken it"
            )
        rest = self._rng.integers(len(pool), size=count - len(behind))
        return np.concatenate([behind, pool[rest]])

    def _along(self, count: int) -> Float64:
        """Points [count, D] around the shape, exp(-30 |d| / side) as dense on either side of a flat place in space.

        They go away from a point of the shape in any direction by a length of density r exp(-r): with directions
        uniform on the sphere that is the exponential density along the normal.
        """
        if self._pool is None:
            self._pool = self.on(POOL)[0]
        on = self._pool[self._rng.integers(len(self._pool), size=count)]
        away = unit(self._rng.normal(size=on.shape))
        return np.asarray(on + REACH * LONGEST * self._rng.gamma(2.0, size=(len(on), 1)) * away)

    def _box(self, count: int, margin: float) -> Float64:
        room = margin * LONGEST
        return np.asarray(self._rng.uniform(self._low - room, self._high + room, (count, len(self._low))))
