"""Zero level of a function as a closed triangle mesh, by marching cubes in a narrow band around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import igl
import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.dual_octree import (
    CORNERS,
    LEVELS,
    UNITS,
    DualOctree,
    among,
    leaves_around,
    mended,
    middle_of,
    side_of,
)
from backend.geometry.triangles import part_areas

Function = Callable[[Float64], Float64]  # [N, 3] -> [N], negative inside

BATCH = 65_536  # points a call
COARSE_BLOCKS = 8  # along the longest side, at least: smaller parts than such a block can only be seen by the slope
SLACK = 1.001  # the slope is a figure of the field without its rounding
REACH = 0.9  # sides of a leaf, from its middle to the surface: farther away it is not cut
CLEARANCE = 1e-3  # of a cell: no value is nearer to 0, so no two vertices of the mesh meet at a node of the grid

# For the six faces of a cell, the neighbour's offset and the corners.
FACES = [(axis, side, np.flatnonzero(CORNERS[:, axis] == (side > 0))) for axis in range(3) for side in (-1, 1)]


@dataclass(frozen=True, eq=False)
class Grid:
    """Cubic cells over a box."""

    low: Float64  # [3]
    cell: float  # side of a cell
    counts: tuple[int, int, int]  # cells along each axis

    def with_room(self) -> Grid:
        """The same cells, and one more all around: at the rim none are cut, however thin the shape is."""
        x, y, z = (count + 2 for count in self.counts)
        return Grid(self.low - self.cell, self.cell, (x, y, z))


def grid_over(low: Float64, high: Float64, resolution: int) -> Grid:
    """Cubic cells over a box, ``resolution`` of them along its longest side."""
    cell = float((high - low).max()) / resolution
    counts = np.maximum(np.ceil((high - low) / cell - 1e-9).astype(int), 1)
    return Grid(low, cell, (int(counts[0]), int(counts[1]), int(counts[2])))


def extract(
    values: Function,
    grid: Grid,
    *,
    slope: float,
    finer: tuple[Float64, ...] = (),
) -> tuple[Float64, Int64]:
    """Positions [V, 3] and triangles [T, 3] of the zero level, closed; beyond the grid everything is outside.

    ``slope``: nowhere is the gradient of the function longer. If that holds, the mesh is that of marching cubes over
    every cell, and if it does not, parts of the surface may be missed, but what is found is closed all the same. The
    function is evaluated near the surface only: twice the resolution costs four times as much. Raises ``ValueError``
    where a value is not a finite number.

    ``finer``: points [M, 3] around which cells half as large are marched, points around which they are a quarter as
    large, and an eighth, for shapes and gaps thinner than a cell. Elsewhere nothing changes.
    """
    if len(finer) > LEVELS:
        raise ValueError(f"cells are cut {LEVELS} times at most, not {len(finer)}")
    nodes = _Nodes(values, grid, slope)
    octree = _octree(nodes, grid, slope, finer)
    cells = _crossed(nodes, _cells_near(nodes, slope * grid.cell), octree)
    keys = nodes.keys(cells[:, None] + CORNERS)
    if octree is not None:
        fine = nodes.keys_of(octree.cells())
        inside = nodes.at(fine) < 0.0
        keys = np.concatenate([keys, fine[inside.any(axis=1) & ~inside.all(axis=1)]])
    if not len(keys):
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    used, corners = np.unique(keys, return_inverse=True)
    positions, triangles, _ = igl.marching_cubes(
        nodes.at(used), nodes.points(used), np.ascontiguousarray(corners.reshape(-1, 8), np.int64), 0.0
    )
    positions, triangles = np.asarray(positions), np.asarray(triangles, np.int64)
    return (positions, triangles) if octree is None else mended(positions, triangles)


def finite(values: Function, points: Float64) -> Float64:
    """The function [N] at points [N, 3]; ``ValueError`` where it does not give a finite number for each of them."""
    found = np.array(values(points), np.float64)
    if found.shape != points.shape[:1]:
        raise ValueError(f"the field gave values of shape {list(found.shape)} for {len(points)} points")
    bad = np.flatnonzero(~np.isfinite(found))
    if len(bad):
        place = ", ".join(f"{x:.6g}" for x in points[bad[0]])
        raise ValueError(
            f"the field is {found[bad[0]]} at ({place}) and at {len(bad) - 1} more of {len(points)} points"
        )
    return found


def kept_clear(values: Float64, least: float) -> Float64:
    """The values with the signs they have, and none nearer to 0 than ``least``."""
    return np.where(values < 0.0, np.minimum(values, -least), np.maximum(values, least))


def without_fragments(positions: Float64, triangles: Int64, smallest: float) -> tuple[Float64, Int64]:
    """The mesh without connected parts that have less than ``smallest`` of its area."""
    area, part = part_areas(positions, triangles)
    return of_faces(positions, triangles[(area >= smallest * area.sum())[part]])


def largest_part(positions: Float64, triangles: Int64) -> tuple[Float64, Int64]:
    """The connected part of the mesh that has the largest area."""
    area, part = part_areas(positions, triangles)
    return of_faces(positions, triangles[(area >= area.max(initial=0.0))[part]])


def of_faces(positions: Float64, triangles: Int64) -> tuple[Float64, Int64]:
    """The mesh of some faces, without the vertices that none of them uses."""
    used, compact = np.unique(triangles, return_inverse=True)
    return positions[used], compact.reshape(-1, 3).astype(np.int64)


class _Nodes:
    """Values at the corners of the cells, each asked for once. A key is a place, in units of the octree."""

    def __init__(self, values: Function, grid: Grid, slope: float) -> None:
        self.ends = np.array(grid.counts, np.int64)
        self._values = values
        self._grid = grid
        self._sizes = UNITS * self.ends + 1
        self._strides = np.array([self._sizes[1] * self._sizes[2], self._sizes[2], 1])
        self._clearance = CLEARANCE * grid.cell * slope
        self._known = np.zeros(0, np.int64)  # keys, rising
        self._found = np.zeros(0)

    def keys(self, nodes: Int64) -> Int64:
        """Keys [...] of nodes [..., 3]."""
        return self.keys_of(UNITS * nodes)

    def keys_of(self, places: Int64) -> Int64:
        """Keys [...] of places [..., 3], in units of the octree."""
        return np.asarray(places @ self._strides)

    def points(self, keys: Int64) -> Float64:
        """Points [N, 3] of keys [N]."""
        return np.asarray(self._grid.low + self._grid.cell / UNITS * self._places(keys))

    def at(self, keys: Int64) -> Float64:
        """Values at keys [...], never 0, positive all around the grid."""
        asked = np.unique(keys)
        new = asked[~among(self._known, asked)]
        if len(new):
            found = np.concatenate([self._evaluated(new[k : k + BATCH]) for k in range(0, len(new), BATCH)])
            order = np.argsort(np.concatenate([self._known, new]), kind="stable")
            self._found = np.concatenate([self._found, found])[order]
            self._known = np.concatenate([self._known, new])[order]
        return self._found[np.searchsorted(self._known, keys)]

    def _places(self, keys: Int64) -> Int64:
        return np.asarray(keys[:, None] // self._strides % self._sizes)

    def _evaluated(self, keys: Int64) -> Float64:
        found = kept_clear(finite(self._values, self.points(keys)), self._clearance)
        places = self._places(keys)
        rim = ((places == 0) | (places == UNITS * self.ends)).any(axis=1)
        found[rim] = np.maximum(found[rim], self._clearance)
        return found


def _cells_near(nodes: _Nodes, step: float) -> Int64:
    """First corners [C, 3] of all cells that the surface can cross where the value changes by ``step`` a cell at most.

    From coarse to fine: a block of cells is cut into eight as long as the value at its middle node is small enough
    for a change of sign within it. Where the middle of a block has another sign than that of the block it was cut
    from, it is kept whatever the slope says.
    """
    size = 2
    while 2 * size * COARSE_BLOCKS <= nodes.ends.max():
        size *= 2
    axes = [np.arange(0, end, size) for end in nodes.ends]
    blocks = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    before = np.zeros(len(blocks))
    while True:
        ends = np.minimum(blocks + size, nodes.ends)
        middle = blocks + (ends - blocks) // 2
        value = nodes.at(nodes.keys(middle))
        radius = np.linalg.norm(np.maximum(middle - blocks, ends - middle), axis=1)
        rim = ((blocks == 0) | (ends == nodes.ends)).any(axis=1)
        near = (np.abs(value) <= SLACK * step * radius) | (value * before < 0.0) | (rim & (value < 0.0))
        size //= 2
        blocks = (blocks[near][:, None] + size * CORNERS).reshape(-1, 3)
        inside = (blocks < nodes.ends).all(axis=1)
        blocks, before = blocks[inside], np.repeat(value[near], 8)[inside]
        if size == 1:
            return _unsure(nodes, blocks, step)


def _unsure(nodes: _Nodes, cells: Int64, step: float) -> Int64:
    """Those of ``cells`` [C, 3] whose sign is not already known from two opposite corners.

    They are the odd one, which is the middle of a block of eight cells and was asked for before, and the even one,
    which the cell shares with its neighbours in the next blocks. All other corners are one or sqrt 2 cells away.
    """
    odd, even = cells | 1, cells + (cells & 1)
    a, b = nodes.at(nodes.keys(odd)), nodes.at(nodes.keys(even))
    far, near = np.maximum(np.abs(a), np.abs(b)), np.minimum(np.abs(a), np.abs(b))
    rim = ((cells == 0) | (cells == nodes.ends - 1)).any(axis=1)
    sure = (a * b > 0.0) & ((far > SLACK * step * np.sqrt(2.0)) | (near > SLACK * step)) & ~(rim & (a < 0.0))
    return np.asarray(cells[~sure])


def _octree(nodes: _Nodes, grid: Grid, slope: float, finer: tuple[Float64, ...]) -> DualOctree | None:
    """The leaves that are cut around the points of ``finer``: where the function says that the surface may be near."""
    points = [(p - grid.low) / grid.cell for p in finer]
    cut: list[Int64] = []
    for level in range(len(points)):
        places = leaves_around(np.concatenate(points[level:]), level)
        own = middle_of(places, 0)
        places = places[((own > 0) & (own < UNITS * nodes.ends)).all(axis=1)]
        if cut:
            before = np.sort(nodes.keys_of(cut[-1]))
            places = places[among(before, nodes.keys_of(middle_of(places, level - 1)))]
        reach = REACH * slope * grid.cell * side_of(level) / UNITS
        cut.append(places[np.abs(nodes.at(nodes.keys_of(places))) <= reach])
    return DualOctree(nodes.ends, cut) if cut and len(cut[0]) else None


def _crossed(nodes: _Nodes, cells: Int64, octree: DualOctree | None) -> Int64:
    """Those of ``cells`` [C, 3] whose corners differ in sign, and all that follow across faces that do, in order.

    Where leaves are cut there are none, but all around.
    """
    if octree is not None:
        cells = np.concatenate([cells, octree.cells_beside()])
        cells = cells[~octree.replaced(cells)]
    key = nodes.keys(cells)  # a cell's key is that of its first corner
    seen = np.unique(key)
    found = []
    cells = cells[np.unique(key, return_index=True)[1]]
    while len(cells):
        inside = nodes.at(nodes.keys(cells[:, None] + CORNERS)) < 0.0  # [C, 8]
        mixed = inside.any(axis=1) & ~inside.all(axis=1)
        cells, inside = cells[mixed], inside[mixed]
        found.append(cells)
        beyond = []
        for axis, side, corners in FACES:
            face = inside[:, corners]
            crossing = cells[face.any(axis=1) & ~face.all(axis=1)].copy()
            crossing[:, axis] += side
            beyond.append(crossing)
        cells = np.concatenate(beyond)
        key, first = np.unique(nodes.keys(cells), return_index=True)
        new = ~np.isin(key, seen, assume_unique=True)
        cells = cells[first[new]]
        if octree is not None:
            cells = cells[~octree.replaced(cells)]
        seen = np.union1d(seen, key)
    if not found:
        return cells
    crossed = np.concatenate(found)
    return np.asarray(crossed[np.argsort(nodes.keys(crossed))])
