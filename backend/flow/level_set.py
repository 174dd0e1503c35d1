"""Level-set metamorphosis: a surface on a grid moves along its normals until it is another one.

phi_t + F |grad phi| = 0 with F > 0 inside the target and F < 0 outside of it (Breen and Whitaker, *A Level-Set
Approach for the Metamorphosis of Solid Models*, TVCG 2001). What of the source lies beyond the target wears away, and
the rest grows to fill the target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.spatial import cKDTree
from skimage import measure

from backend.geometry.distance import closest_on_surface
from backend.geometry.isosurface import Grid

Float = NDArray[np.float64]

BAND = 4.0  # cells on either side of the surface in which distances are kept
COURANT = 0.5  # cells that the surface moves in a step, at most
TIDY = 3  # steps from one redistancing to the next: less than half of the band is used up
SLOWEST, FASTEST = 0.03, 0.12  # of the diagonal: bounds of the speed, which is else the distance from the target
MAX_STEPS = 600
APART = 1.5  # cells of travel between two states that are kept
SHARES = 24  # or this part of the whole change
NEAR = 0.25  # of a cell: a difference below counts for nothing, the grid has no better
THERE = 0.998  # share of the change after which the surface is there
STALL, STILL = 16, 2e-3  # or when so many steps made a smaller share of the change than this


@dataclass(frozen=True, eq=False)
class State:
    """The surface at one moment."""

    values: Float  # [X, Y, Z], signed distances cut off at the band
    change: float  # in 0..1, of the whole difference between source and target what is done


class LevelSet:
    """Nodes of a grid, and a target to move to; signed distances [X, Y, Z] throughout."""

    def __init__(self, grid: Grid, target: Float) -> None:
        self.width = BAND * grid.cell
        self._cell = grid.cell
        self._target = target
        size = grid.cell * float(np.linalg.norm(grid.counts))
        pace = np.clip(np.abs(target), SLOWEST * size, FASTEST * size)
        self._speed = -pace * np.clip(2.0 * target / grid.cell, -1.0, 1.0)

    def states(self, source: Float, check: Callable[[int, int], None]) -> Iterator[State]:
        """The way from ``source`` to the target, without the source itself; the last is as near as the grid can tell.

        ``check`` is called with step and steps and may raise to stop. A state comes after every ``APART`` cells that
        the surface may have moved, and whenever enough has changed.
        """
        values = np.clip(source, -self.width, self.width)
        whole = self.difference(values)
        if whole <= 0.0:
            return
        travelled, last = 0.0, 0.0
        recent: list[float] = []
        for step in range(1, MAX_STEPS + 1):
            check(step, MAX_STEPS)
            values, moved = self._stepped(values)
            if step % TIDY == 0:
                values = self._redistanced(values)
            travelled += moved
            change = 1.0 - self.difference(values) / whole
            recent = [*recent[-STALL:], change]
            arrived = change > THERE or (len(recent) > STALL and change - recent[0] < STILL)
            if travelled >= APART or change - last >= 1.0 / SHARES or arrived:
                if change > last:
                    yield State(self._redistanced(values), change)
                    last = change
                travelled = 0.0
            if arrived:
                return

    def difference(self, values: Float) -> float:
        """Volume, in cells, that lies in one of the surface and the target but not in both."""
        apart = np.abs(self._filled(values) - self._filled(self._target))
        return float(np.maximum(apart - NEAR, 0.0).sum() / (1.0 - NEAR))

    def missing(self, values: Float) -> float:
        """Share of the target's volume that the surface has not come to."""
        inside = self._target < 0.0
        return float((inside & (values > 1.5 * self._cell)).sum() / max(int(inside.sum()), 1))

    def _filled(self, values: Float) -> Float:
        """How much of the cell around every node is inside, in 0..1."""
        return np.clip(0.5 - values / self._cell, 0.0, 1.0)

    def _stepped(self, values: Float) -> tuple[Float, float]:
        """One step of the upwind scheme (Osher and Sethian, 1988), and how many cells the surface moved at most."""
        band = np.abs(values) < self.width
        band[[0, -1]] = band[:, [0, -1]] = band[:, :, [0, -1]] = False
        place = np.flatnonzero(band)
        speed = self._speed.reshape(-1)[place]
        fastest = float(np.abs(speed).max()) if len(place) else 0.0
        if fastest <= 0.0:
            return values, 0.0
        flat = values.reshape(-1)
        here = flat[place]
        squared = np.zeros(len(place))
        outwards = speed > 0.0
        for stride in (values.shape[1] * values.shape[2], values.shape[2], 1):
            back, ahead = here - flat[place - stride], flat[place + stride] - here
            grow = np.maximum(np.maximum(back, 0.0) ** 2, np.minimum(ahead, 0.0) ** 2)
            wear = np.maximum(np.minimum(back, 0.0) ** 2, np.maximum(ahead, 0.0) ** 2)
            squared += np.where(outwards, grow, wear)
        step = COURANT * self._cell / fastest
        moved = values.copy()
        moved.reshape(-1)[place] = here - step * speed * np.sqrt(squared) / self._cell
        front = np.abs(here) < self._cell
        travel = step * float(np.abs(speed[front]).max()) / self._cell if front.any() else 0.0
        return moved, travel

    def _redistanced(self, values: Float) -> Float:
        """Distances again, the surface where it was.

        Beside the surface they are those to the triangles of its marching cubes. Farther out a node takes the closest
        point of the nearest node beside the surface.
        """
        inside = values < 0.0
        if not inside.any() or inside.all():
            return np.where(inside, -self.width, self.width)
        found = measure.marching_cubes(values, 0.0, spacing=(self._cell,) * 3)  # type: ignore[no-untyped-call]
        positions, triangles = found[0].astype(np.float64), found[1]
        beside = _both(inside, 1)
        places = self._cell * np.argwhere(beside)
        distance, _, closest = closest_on_surface(places, positions, triangles)
        away = np.full(values.shape, self.width)
        away[beside] = distance
        beyond = _both(inside, int(BAND) + 1) & ~beside
        away[beyond] = cKDTree(closest).query(self._cell * np.argwhere(beyond))[0]
        return np.asarray(np.where(inside, -1.0, 1.0) * np.minimum(away, self.width))


def _both(inside: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Nodes that have nodes inside and nodes outside within ``reach`` cells along each axis."""
    return np.asarray(maximum_filter(inside, 2 * reach + 1) & maximum_filter(~inside, 2 * reach + 1))
