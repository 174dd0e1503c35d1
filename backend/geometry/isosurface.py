"""Zero level of a function as a closed triangle mesh, by marching cubes in a narrow band around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import igl
import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.triangles import areas, parts


@dataclass(frozen=True, eq=False)
class Grid:
    """Cubic cells over a box."""

    low: Float64  # [3]
    cell: float  # side of a cell
    counts: tuple[int, int, int]  # cells along each axis


def grid_over(low: Float64, high: Float64, resolution: int) -> Grid:
    """Cubic cells over a box, ``resolution`` of them along its longest side."""
    cell = float((high - low).max()) / resolution
    counts = np.maximum(np.ceil((high - low) / cell - 1e-9).astype(int), 1)
    return Grid(low, cell, (int(counts[0]), int(counts[1]), int(counts[2])))


def extract(
    values: Callable[[Float64], Float64],  # [N, 3] -> [N], negative inside
    grid: Grid,
    *,
    slope: float,
) -> tuple[Float64, Int64]:
    """Positions [V, 3] and triangles [T, 3] of the zero level, closed; beyond the grid everything is outside."""
    n = np.array(grid.counts) + 1
    index = np.arange(n.prod()).reshape(n)
    nodes = np.stack(np.meshgrid(*[np.arange(k) for k in n], indexing="ij"), -1).reshape(-1, 3)
    points = grid.low + grid.cell * nodes
    field = np.array(values(points), np.float64)
    rim = ((nodes == 0) | (nodes == n - 1)).any(axis=1)
    field[rim] = np.maximum(field[rim], 1e-3 * grid.cell)
    corners = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]
    ends = n - 1
    cells = np.stack(
        [index[a : a + ends[0], b : b + ends[1], c : c + ends[2]].reshape(-1) for a, b, c in corners], axis=1
    )
    positions, triangles, _ = igl.marching_cubes(field, points, cells, 0.0)
    return np.asarray(positions), np.asarray(triangles, np.int64)


def without_fragments(positions: Float64, triangles: Int64, smallest: float) -> tuple[Float64, Int64]:
    """The mesh without connected parts that have less than ``smallest`` of its area."""
    if not len(triangles):
        return positions, triangles
    count, part = parts(len(positions), triangles)
    of_face = part[triangles[:, 0]]
    area = np.bincount(of_face, areas(positions, triangles), count)
    kept = triangles[area[of_face] >= smallest * area.sum()]
    used, compact = np.unique(kept, return_inverse=True)
    return positions[used], compact.reshape(-1, 3).astype(np.int64)
