"""Winding numbers of closed polylines in the plane, exact, by counting crossings of a ray."""

from __future__ import annotations

import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.slabs import Slabs

BATCH = 20_000  # points asked for at once


class PlaneWinding:
    """How often the directed segments [S, 2] of closed loops over ``points`` [N, 2] go around a point."""

    def __init__(self, points: Float64, segments: Int64) -> None:
        self._a, self._b = points[segments[:, 0]], points[segments[:, 1]]
        heights = np.stack([self._a[:, 1], self._b[:, 1]])
        self._slabs = Slabs(heights.min(axis=0), heights.max(axis=0)) if len(segments) else None

    def __call__(self, points: Float64) -> Int64:
        """The number [N] for points [N, 2]: 1 where a loop goes around counter-clockwise once."""
        if self._slabs is None:
            return np.zeros(len(points), np.int64)
        parts = [self._of(points[k : k + BATCH], self._slabs) for k in range(0, len(points), BATCH)]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def _of(self, points: Float64, slabs: Slabs) -> Int64:
        which, segment = slabs.around(points[:, 1])
        a, b, (x, y) = self._a[segment], self._b[segment], points[which].T
        # The ray goes to the right. Of a segment's ends the lower belongs to it: a corner is counted once.
        up, down = (a[:, 1] <= y) & (y < b[:, 1]), (b[:, 1] <= y) & (y < a[:, 1])
        rise = np.where(up | down, b[:, 1] - a[:, 1], 1.0)
        crosses = a[:, 0] + (y - a[:, 1]) / rise * (b[:, 0] - a[:, 0]) > x
        turns = (up & crosses).astype(np.int64) - (down & crosses)
        return np.bincount(which, turns, len(points)).astype(np.int64)
