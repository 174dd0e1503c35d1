"""Intervals of one coordinate sorted into slabs: those around a number, or over each other, are found at once."""

from __future__ import annotations

import numpy as np

from backend.geometry.arrays import Float64, Int64

MOST = 8192  # slabs


class Slabs:
    """Which of the intervals ``low`` to ``high`` [S] reach into each of evenly spaced slabs."""

    def __init__(self, low: Float64, high: Float64) -> None:
        self._start, end = float(low.min()), float(high.max())
        self.count = int(np.clip(len(low), 1, MOST))
        self._height = (end - self._start) / self.count or 1.0
        first, last = self.of(low), self.of(high)
        which, slab = expanded(last - first + 1)
        order = np.argsort(first[which] + slab, kind="stable")
        self.members = which[order]  # [M], intervals by slab
        sizes = np.bincount(first[which] + slab, minlength=self.count)
        self.starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])  # [count + 1]

    def of(self, values: Float64) -> Int64:
        """The slab [N] of each number; the first or last for those beyond."""
        return np.clip((values - self._start) / self._height, 0, self.count - 1).astype(np.int64)

    def around(self, values: Float64) -> tuple[Int64, Int64]:
        """Pairs of a number and an interval that may hold it: their indices, each [P]."""
        slab = self.of(values)
        which, place = expanded(self.starts[slab + 1] - self.starts[slab])
        return which, self.members[self.starts[slab][which] + place]

    def together(self) -> tuple[Int64, Int64]:
        """Pairs of intervals, the smaller index first, that share a slab; each [P]."""
        sizes = np.diff(self.starts)
        slab = np.repeat(np.arange(self.count), sizes)
        which, place = expanded(self.starts[slab + 1] - np.arange(len(self.members)) - 1)
        a, b = self.members[which], self.members[which + 1 + place]
        pairs = np.unique(np.stack([np.minimum(a, b), np.maximum(a, b)], axis=1), axis=0)
        return pairs[:, 0], pairs[:, 1]


def expanded(counts: Int64) -> tuple[Int64, Int64]:
    """For ``counts`` [N]: each number repeated so often, and the place within its repetition; both [sum]."""
    which = np.repeat(np.arange(len(counts)), counts)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
