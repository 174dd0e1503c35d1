"""Levels of a field in the plane as closed loops: marching squares over a quadtree that follows the level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.queries.lattice import Check, Remembered, lattice_for
from protocol.settings import SettingError

CORNERS = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])  # of a cell, counter-clockwise
NEIGHBOURS = np.array([(0, -1), (1, 0), (0, 1), (-1, 0)])  # across its sides; side k goes from corner k to the next
COARSE_BLOCKS = 16  # along the longest side, at least: smaller loops than such a block can only be seen by the slope
SLACK = 1.001  # the slope is a figure of the field without its rounding
CLEARANCE = 1e-3  # of a cell: no value is nearer to the level, so no two points of a loop meet at a node

# From which side of a cell to which one a loop goes, lower values on its left, by the corners that are below the level:
# the sum of 2^k. Two opposite corners are joined (the last two rows) where the middle of the cell is below it, too.
JOINED = {5: 16, 10: 17}
PATHS: list[tuple[tuple[int, int], ...]] = [
    (), ((0, 3),), ((1, 0),), ((1, 3),), ((2, 1),), ((0, 3), (2, 1)), ((2, 0),), ((2, 3),), ((3, 2),), ((0, 2),),
    ((1, 0), (3, 2)), ((1, 2),), ((3, 1),), ((0, 1),), ((3, 0),), (), ((0, 1), (2, 3)), ((1, 2), (3, 0)),
]  # fmt: skip


def contours(field: DistanceField, level: float, resolution: int, *, check: Check | None = None) -> list[Float64]:
    """Where the field is ``level``: closed loops [K, 2] in object space, first point = last, lower values on the left.

    Outlines go counter-clockwise, holes clockwise; the longest loop is first. Empty where the field is so nowhere.
    ``resolution``: cells along the longest side of the shape's box. ``check`` is called between batches and may raise.
    """
    return contours_at(field, [level], resolution, check=check)[0]


def contours_at(
    field: DistanceField, levels: Sequence[float], resolution: int, *, check: Check | None = None
) -> list[list[Float64]]:
    """The loops of several levels, on one grid: what one level asks of the field the others do not ask again."""
    if field.dimension != 2:
        raise SettingError("the field is of a surface in space; ask for an isosurface, not for a contour")
    lattice = lattice_for(field, levels, resolution)
    values = Remembered(field, lattice, check)
    return [_Marching(values, level, lattice.cell, lattice.counts, field.slope).loops(lattice.low) for level in levels]


class _Marching:
    """One level over the cells of a lattice; beyond it everything is above the level."""

    def __init__(self, values: Remembered, level: float, cell: float, counts: Int64, slope: float) -> None:
        self._values = values
        self._level = level
        self._cell = cell
        self._counts = counts
        self._step = SLACK * slope * cell  # the value changes by so much from a node to the next at most
        self._least = CLEARANCE * cell * slope

    def loops(self, low: Float64) -> list[Float64]:
        """Closed loops [K, 2]; ``low`` [2]: where the lattice begins."""
        cells, values = self._crossed(self._near())  # [C, 2], [C, 4]
        below = values < 0.0
        pattern = below @ [1, 2, 4, 8]
        for apart, joined in JOINED.items():
            pattern[(pattern == apart) & (values.sum(axis=1) < 0.0)] = joined
        starts, ends, places = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros((0, 2))]
        for number, paths in enumerate(PATHS):
            rows = np.flatnonzero(pattern == number)
            for start, end in paths:
                starts.append(self._side_keys(cells[rows], start))
                ends.append(self._side_keys(cells[rows], end))
                places.append(self._crossing(cells[rows], values[rows], start))
        chained = _chained(np.concatenate(starts), np.concatenate(ends), np.concatenate(places))
        return [low + self._cell * loop for loop in chained]

    def _at(self, nodes: Int64) -> Float64:
        """Values above the level at nodes [..., 2], never 0, positive all around the lattice."""
        found = self._values.at(nodes) - self._level
        found = np.where(found < 0.0, np.minimum(found, -self._least), np.maximum(found, self._least))
        rim = ((nodes == 0) | (nodes == self._counts)).any(axis=-1)
        return np.asarray(np.where(rim, np.maximum(found, self._least), found))

    def _near(self) -> Int64:
        """First corners [C, 2] of the cells that the level can cross: blocks are cut into four while it can."""
        size = 2
        while 2 * size * COARSE_BLOCKS <= self._counts.max():
            size *= 2
        axes = [np.arange(0, end, size) for end in self._counts]
        blocks = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
        before = np.zeros(len(blocks))  # value of the block it was cut from
        while size > 1:
            ends = np.minimum(blocks + size, self._counts)
            middle = blocks + (ends - blocks) // 2
            value = self._at(middle)
            radius = np.linalg.norm(np.maximum(middle - blocks, ends - middle), axis=1)
            near = (np.abs(value) <= self._step * radius) | (value * before < 0.0)
            size //= 2
            blocks = (blocks[near][:, None] + size * CORNERS).reshape(-1, 2)
            inside = (blocks < self._counts).all(axis=1)
            blocks, before = blocks[inside], np.repeat(value[near], 4)[inside]
        return np.asarray(blocks)

    def _crossed(self, cells: Int64) -> tuple[Int64, Float64]:
        """Those of ``cells`` [C, 2] that the level crosses and all that it goes on to, and their values [C, 4]."""
        seen = np.zeros(0, np.int64)
        found, found_values = [np.zeros((0, 2), np.int64)], [np.zeros((0, 4))]
        while len(cells):
            keys, first = np.unique(self._node_keys(cells), return_index=True)
            new = ~np.isin(keys, seen)
            seen = np.union1d(seen, keys)
            cells = cells[first[new]]
            values = self._at(cells[:, None] + CORNERS)
            below = values < 0.0
            mixed = below.any(axis=1) & ~below.all(axis=1)
            cells, values, below = cells[mixed], values[mixed], below[mixed]
            found.append(cells)
            found_values.append(values)
            row, side = np.nonzero(below != np.roll(below, -1, axis=1))
            cells = cells[row] + NEIGHBOURS[side]
        return np.concatenate(found), np.concatenate(found_values)

    def _node_keys(self, nodes: Int64) -> Int64:
        return np.asarray(nodes[:, 0] * (self._counts[1] + 1) + nodes[:, 1])

    def _side_keys(self, cells: Int64, side: int) -> Int64:
        """The same number for a side [C] seen from both of its cells."""
        first = np.minimum(CORNERS[side], CORNERS[(side + 1) % 4])
        return 2 * self._node_keys(cells + first) + side % 2

    def _crossing(self, cells: Int64, values: Float64, side: int) -> Float64:
        """Where the level crosses a side [C, 2], in cells, as if the values [C, 4] went straight."""
        a, b = values[:, side], values[:, (side + 1) % 4]
        share = (a / np.where(a == b, 1.0, a - b))[:, None]
        return np.asarray(cells + CORNERS[side] + share * (CORNERS[(side + 1) % 4] - CORNERS[side]))


def _chained(first: Int64, last: Int64, places: Float64) -> list[Float64]:
    """Loops of segments from side ``first`` [S] to side ``last`` [S], each side once in both; ``places`` [S, 2]."""
    order = np.argsort(first)
    following = order[np.searchsorted(first[order], last)].tolist()
    left = np.ones(len(first), bool)
    loops = []
    for start in range(len(first)):
        if left[start]:
            row, loop = start, [start]
            while (row := following[row]) != start:
                loop.append(row)
            left[loop] = False
            loops.append(places[[*loop, start]])
    return sorted(loops, key=lambda loop: -float(np.linalg.norm(np.diff(loop, axis=0), axis=1).sum()))
