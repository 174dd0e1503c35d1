"""``TrackedSurface``: the zero level of a function that changes a little from one extraction to the next.

The fast mode of MeshSDF (Remelli et al., NeurIPS 2020, published code) evaluates the function around the last surface
only, and marches over what it knew before as well, where nothing says that it still holds. Here the signs are kept, and
no value: what is marched over was evaluated for this very surface, so no piece of an older one is ever left in it.
"""

from __future__ import annotations

import igl
import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.dual_octree import CORNERS
from backend.geometry.isosurface import BATCH, CLEARANCE, Function, Grid, finite, kept_clear
from backend.geometry.triangles import parts

REFRESH = 40  # extractions


class TrackedSurface:
    """Marching cubes over a grid, again and again.

    At first, at every ``refresh``-th extraction and whenever ``whole`` is asked for, all nodes of the grid are
    evaluated. Otherwise only the corners of the cells that the last surface crossed are. Where one has changed its
    side, the cells around it that are crossed now follow, and so on: since the kept signs of neighbours differ nowhere
    but at such cells, all cells crossed by a surface that was known are found, however far it has moved, and all their
    corners are new. Only a part that is born apart from all others waits for the next look at the whole grid, which
    comes at once where there are fewer parts than before: one may have leapt to where nothing was.

    Beyond the grid everything is outside, as for ``extract``.
    """

    def __init__(self, grid: Grid, *, slope: float = 1.0, refresh: int = REFRESH) -> None:
        """``slope``: about how long the gradients of the functions are; it only scales what counts as 0."""
        self.evaluations = 0  # nodes that a function was evaluated at, by all extractions
        self._grid = grid
        self._refresh = refresh
        self._since = 0  # extractions since the whole grid was evaluated, that one counted
        self._parts = 0  # of the last surface
        x, y, z = (count + 1 for count in grid.counts)
        self._shape = (x, y, z)
        self._strides = np.array([y * z, z, 1])
        self._corners = CORNERS @ self._strides  # [8]
        self._clearance = CLEARANCE * grid.cell * slope
        self._inside = np.zeros(x * y * z, bool)  # of every node, as it was last evaluated
        self._cells = np.zeros(0, np.int64)  # [C], first corners of the cells that the surface crosses, rising

    def extract(self, values: Function) -> tuple[Float64, Int64]:
        """Positions [V, 3] and triangles [T, 3] of the zero level of ``values``, closed."""
        if not 0 < self._since < self._refresh or not len(self._cells):
            return self.whole(values)
        since, self._since = self._since, 0  # if the function fails on the way, nothing is known any more
        mesh = self._followed(values)
        found = parts(len(mesh[0]), mesh[1])[0]
        if found < self._parts:
            return self.whole(values)
        self._since, self._parts = since + 1, found
        return mesh

    def whole(self, values: Function) -> tuple[Float64, Int64]:
        """The same from all nodes of the grid, whatever was known."""
        self._since = 0
        found = np.empty(len(self._inside))
        self._evaluate(values, np.arange(len(found)), found)
        inside = self._inside.reshape(self._shape)
        x, y, z = (slice(0, -1), slice(1, None)), (slice(0, -1), slice(1, None)), (slice(0, -1), slice(1, None))
        corners = [inside[x[i], y[j], z[k]] for i, j, k in CORNERS]
        mixed = np.logical_or.reduce(corners) & ~np.logical_and.reduce(corners)
        self._cells = np.stack(np.nonzero(mixed), axis=1) @ self._strides
        mesh = self._marched(found)
        self._since, self._parts = 1, parts(len(mesh[0]), mesh[1])[0]
        return mesh

    def _followed(self, values: Function) -> tuple[Float64, Int64]:
        """The surface from where it was last; every node is evaluated once at most."""
        cells = self._cells
        fresh = np.zeros(len(self._inside), bool)
        found = np.empty(len(self._inside))  # of fresh nodes; nothing at others
        nodes = self._distinct(cells[:, None] + self._corners)
        while len(nodes):
            before = self._inside[nodes]
            self._evaluate(values, nodes, found)
            fresh[nodes] = True
            changed = nodes[self._inside[nodes] != before]
            # At the rim, where a node has fewer than eight cells, it is always outside, so it never changes its side.
            crossed = self._crossed(self._distinct(changed[:, None] - self._corners))
            cells = np.concatenate([cells, crossed])
            nodes = self._distinct(crossed[:, None] + self._corners)
            nodes = nodes[~fresh[nodes]]
        self._cells = self._crossed(self._distinct(cells))
        return self._marched(found)

    def _evaluate(self, values: Function, nodes: Int64, found: Float64) -> None:
        """Puts the values at nodes [N] into ``found``: never 0, positive all around the grid; their signs are kept."""
        self.evaluations += len(nodes)
        for start in range(0, len(nodes), BATCH):
            batch = nodes[start : start + BATCH]
            places = self._places(batch)
            part = kept_clear(finite(values, self._grid.low + self._grid.cell * places), self._clearance)
            rim = ((places == 0) | (places == self._grid.counts)).any(axis=1)
            part[rim] = np.maximum(part[rim], self._clearance)
            found[batch] = part
        self._inside[nodes] = found[nodes] < 0.0

    def _places(self, nodes: Int64) -> Int64:
        return np.stack(np.unravel_index(nodes, self._shape), axis=1)  # [N, 3]

    def _distinct(self, numbers: Int64) -> Int64:
        """The different numbers [N] among any of nodes or cells, rising."""
        marked = np.zeros(len(self._inside), bool)
        marked[numbers] = True
        return np.flatnonzero(marked)

    def _crossed(self, cells: Int64) -> Int64:
        """Those of cells [C] whose corners differ in sign."""
        inside = self._inside[cells[:, None] + self._corners]  # [C, 8]
        return np.asarray(cells[inside.any(axis=1) & ~inside.all(axis=1)])

    def _marched(self, values: Float64) -> tuple[Float64, Int64]:
        """The surface in the crossed cells, by the values of all nodes, of which only their corners' count."""
        if not len(self._cells):
            return np.zeros((0, 3)), np.zeros((0, 3), np.int64)
        corners = self._cells[:, None] + self._corners
        used = self._distinct(corners)
        number = np.empty(len(values), np.int64)
        number[used] = np.arange(len(used))
        points = self._grid.low + self._grid.cell * self._places(used)
        positions, triangles, _ = igl.marching_cubes(values[used], points, number[corners], 0.0)
        return np.asarray(positions), np.asarray(triangles, np.int64)
