"""Thin places of both surfaces of a pair, found once at rest and carried along."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from backend.geometry.dual_octree import LEVELS
from backend.geometry.isosurface import grid_over
from backend.geometry.sides import Sides
from backend.geometry.thin_parts import Places, thin_places
from backend.methods.carried_pair import CarriedPair

Float = NDArray[np.float64]

FADED = 0.02  # share of a field below which the thin places of its surface do not count


class ThinPair:
    """Where the frames of a field between two carried surfaces want finer cells."""

    def __init__(
        self, carried: CarriedPair, sides: tuple[Sides, Sides], box: Callable[[float], tuple[Float, Float]]
    ) -> None:
        self._carried = carried
        self._sides = sides
        self._box = box
        self._found: tuple[int, list[list[Places]]] | None = None

    def at(self, t: float, resolution: int) -> tuple[Float, ...]:
        """Points [M, 3] at time ``t`` where cells of a half are wanted, of a quarter, and so on."""
        share = self._carried.progress(t)
        found = [[np.zeros((0, 3))] for _ in range(LEVELS)]
        ends = zip(self._places(resolution), self._carried.at(t), (1.0 - share, share), strict=True)
        for places, positions, part in ends:
            if part > FADED:
                for level, own in zip(found, places, strict=True):
                    level.append(own.at(positions))
        return tuple(np.concatenate(level) for level in found)

    def _places(self, resolution: int) -> list[list[Places]]:
        """Of each surface at its own end; kept for one resolution."""
        if self._found is None or self._found[0] != resolution:
            ends = zip((self._carried.source, self._carried.target), self._sides, (0.0, 1.0), strict=True)
            self._found = (
                resolution,
                [
                    thin_places(surface.positions, surface.triangles, side, grid_over(*self._box(t), resolution).cell)
                    for surface, side, t in ends
                ],
            )
        return self._found[1]
