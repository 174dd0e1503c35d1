"""``Warp``: space moved by one smooth displacement after the other, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backend.geometry.arrays import Float64
from backend.guidance.lattice import Lattice

STEEPEST = 0.6  # of a displacement: what is moved by less is neither folded nor torn, and can be moved back
ROUNDS = 100  # of moving back, at most
EXACT = 1e-4  # cells of the lattice


@dataclass(frozen=True, eq=False)
class Warp:
    """p -> p + D_1(p), and so on with the next."""

    moves: tuple[Lattice, ...]  # of 3 functions each, none steeper than ``STEEPEST``

    def forth(self, points: Float64) -> Float64:
        """Points [N, 3] moved."""
        for move in self.moves:
            points = points + move.at(points)
        return points

    def back(self, points: Float64, check: Callable[[], None] = lambda: None) -> Float64:
        """The points [N, 3] that are moved to ``points``; ``check`` is called before each displacement."""
        for move in reversed(self.moves):
            check()
            points = undone(move, points)
        return points


def undone(move: Lattice, points: Float64, share: float = 1.0, pace: float = 1.0) -> Float64:
    """The points p [N, 3] for which p plus ``share`` of the displacement at p is ``points``, by repeated insertion.

    ``pace``: how much of each step is gone; below 1 where the displacement is steep.
    """
    found, active = points.copy(), np.arange(len(points))
    for _ in range(ROUNDS):
        if not len(active):
            break
        before = found[active]
        step = points[active] - share * move.at(before) - before
        found[active] = before + pace * step
        active = active[np.abs(step).max(axis=1) > EXACT * move.cell]
    return found
