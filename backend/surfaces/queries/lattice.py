"""The cells that levels of a field are marched over, and its values there, each evaluated once for all levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.surfaces.distance_field import DistanceField
from protocol.settings import SettingError

ROOM = 0.03  # of the longest side, around what a level is expected to take
STEP = 0.1  # of the longest side, by which a box that is too small grows
STEPS = 30  # of them at most
REACH = 2  # longest sides: no level is farther from the shape
SIDE = 16  # points along every side of a box that is looked at
LOOK = {2: 256, 3: 48}  # points along every side that are looked at for the range of values, by the dimension
FEWEST, MOST = 4, 4096  # cells along the longest side

Check = Callable[[], None]  # called now and then; raises to stop


@dataclass(frozen=True, eq=False)
class Lattice:
    """Cells with equal sides over a box in D dimensions."""

    low: Float64  # [D], object space
    cell: float  # side of a cell
    counts: Int64  # [D], cells along each axis


def lattice_for(field: DistanceField, levels: Sequence[float], resolution: int) -> Lattice:
    """Cells over a box that holds all ``levels``, ``resolution`` of them along the longest side of the shape's box.

    The box grows until the field is above the highest level all around it: a field that closes holes, or is shorter
    than the distance, reaches farther than its shape.
    """
    if not FEWEST <= resolution <= MOST:
        raise SettingError(f"a resolution of {resolution} cells: choose one from {FEWEST} to {MOST}")
    if not np.isfinite(levels).all():
        raise SettingError(f"levels are lengths in object space, and {list(levels)} are not all numbers")
    longest = float((field.high - field.low).max())
    away = max(max(levels) - field.level, 0.0)
    check_reach(away, longest)
    room = ROOM * longest + away
    for _ in range(STEPS):
        values = field.values(_hull(field.low - room, field.high + room))
        if values.min() > max(levels):
            break
        room += STEP * longest
    cell = longest / resolution
    low, high = field.low - room - cell, field.high + room + cell
    counts = np.maximum(np.ceil((high - low) / cell - 1e-9).astype(np.int64), 1)
    return Lattice((low + high) / 2 - cell * counts / 2, cell, counts)


def check_reach(away: float, longest: float) -> None:
    """Raises ``SettingError`` for a surface so far ``away`` that its cells, which are as large anywhere, are too many.

    ``longest`` is the longest side of the shape.
    """
    if away > REACH * longest:
        raise SettingError(
            f"a surface {away:.6g} away from a shape {longest:.6g} long: it can be {REACH * longest:.6g} at most, "
            "twice the length of the shape; choose a smaller distance"
        )


def range_of(field: DistanceField) -> tuple[float, float]:
    """About the least and the greatest value in the box of the shape."""
    sides = [np.linspace(a, b, LOOK[field.dimension]) for a, b in zip(field.low, field.high, strict=True)]
    values = field.values(np.stack(np.meshgrid(*sides, indexing="ij"), -1).reshape(-1, field.dimension))
    return float(values.min()), float(values.max())


def _hull(low: Float64, high: Float64) -> Float64:
    """Points [N, D] all around a box."""
    sides = [np.linspace(a, b, SIDE) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*sides, indexing="ij"), -1).reshape(-1, len(low))
    return np.asarray(points[((points == low) | (points == high)).any(axis=1)])


class Remembered:
    """Values of a field at the nodes of a lattice; what was asked for once is not evaluated again."""

    def __init__(self, field: DistanceField, lattice: Lattice, check: Check | None = None) -> None:
        self._field = field
        self._lattice = lattice
        self._check = check
        self._strides: Int64 = np.cumprod([1, *(lattice.counts[:0:-1] + 1)])[::-1]
        self._keys = np.zeros(0, np.int64)  # rising
        self._found = np.zeros(0)

    def __call__(self, points: Float64) -> Float64:
        """Values [N] at points [N, D] that are nodes."""
        lattice = self._lattice
        return self.at(np.rint((points - lattice.low) / lattice.cell).astype(np.int64))

    def at(self, nodes: Int64) -> Float64:
        """Values [...] at nodes [..., D]."""
        keys: Int64 = np.asarray(nodes @ self._strides)
        asked, place = np.unique(keys, return_index=True)
        known = np.searchsorted(self._keys, asked)
        new = np.ones(len(asked), bool)
        inside = known < len(self._keys)
        new[inside] = self._keys[known[inside]] != asked[inside]
        if new.any():
            if self._check is not None:
                self._check()
            points = self._lattice.low + self._lattice.cell * nodes.reshape(-1, nodes.shape[-1])[place[new]]
            values = self._field.values(points)
            if not np.isfinite(values).all():
                raise SettingError(f"the field is {values[~np.isfinite(values)][0]} at places; fit it again")
            self._keys = np.insert(self._keys, known[new], asked[new])
            self._found = np.insert(self._found, known[new], values)
        return np.asarray(self._found[np.searchsorted(self._keys, keys)])
