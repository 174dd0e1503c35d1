"""The skeleton of a fitted shape: points deep inside where the gradient of the field is short.

Coiffier and Bethune, SGP 2024, section on skeletons: where the nearest points of the surface lie on opposite sides, the
gradient of a distance has no direction, and that of a network is short. Theirs keeps the nodes of a grid where it is
below one half, and takes plain gradient steps. Here the gradient is that of central differences over a cell, so that
the sharp ridge of a good field is not stepped over, and a step by it leads onto the ridge.
"""

from __future__ import annotations

import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.queries.lattice import Check, Remembered, lattice_for
from protocol.settings import SettingError

SHORT = 0.5  # length of the gradient on the skeleton, at most: corners that are not blunter than 60 degrees have none
CELLS = {2: 256, 3: 96}  # along the longest side, by the dimension
DEPTH = 1.5  # cells below the surface, at least
STEPS = 3  # onto the ridge
BLOCK = 8  # cells


def skeleton(
    field: DistanceField,
    *,
    longest: float = SHORT,
    resolution: int | None = None,
    check: Check | None = None,
) -> Float64:
    """Points [N, D] of the skeleton, object space, one in a cell; none where the shape is thinner than three cells.

    ``longest``: the gradient is shorter. ``resolution``: cells along the longest side of the shape's box.
    """
    if not field.signed:
        raise SettingError("the field is unsigned, so it has no inside and no skeleton; fit with --mode signed")
    if not 0.0 < longest <= 1.0:
        raise SettingError(f"a gradient of {longest} at most: choose a length above 0, up to 1")
    lattice = lattice_for(field, [field.level], resolution or CELLS[field.dimension])
    values = Remembered(field, lattice, check)
    nodes = _inside(values, lattice.counts, field.level - DEPTH * lattice.cell, field.slope * lattice.cell)
    if not len(nodes):
        return np.zeros((0, field.dimension))
    sides = np.eye(field.dimension, dtype=np.int64)
    across = (values.at(nodes[:, None] + sides) - values.at(nodes[:, None] - sides)) / (2 * lattice.cell)
    near = np.linalg.norm(across, axis=1) < max(longest, SHORT) + 0.25  # the ridge is between nodes
    points = lattice.low + lattice.cell * nodes[near]
    for _ in range(STEPS):
        points = points - lattice.cell * _gradient(field, points, lattice.cell)
    kept = np.linalg.norm(_gradient(field, points, lattice.cell), axis=1) < longest
    points = points[kept & (field.values(points) < field.level - DEPTH * lattice.cell)]
    return _one_in_a_cell(points, lattice.low, lattice.cell)


def _inside(values: Remembered, counts: Int64, deepest: float, step: float) -> Int64:
    """Nodes [N, D] with values below ``deepest``; ``step``: the value changes by so much from node to node at most."""
    dimension = len(counts)
    children = np.stack(np.meshgrid(*[(0, 1)] * dimension, indexing="ij"), -1).reshape(-1, dimension)
    nodes = np.stack(np.meshgrid(*[np.arange(0, end, BLOCK) for end in counts], indexing="ij"), -1)
    nodes, size = nodes.reshape(-1, dimension), BLOCK  # first nodes of blocks
    while size > 1:
        size //= 2
        middle = np.minimum(nodes + size, counts)
        nodes = nodes[values.at(middle) - step * size * np.sqrt(dimension) < deepest]
        nodes = (nodes[:, None] + size * children).reshape(-1, dimension)
    nodes = nodes[((nodes > 0) & (nodes < counts)).all(axis=1)]
    return np.asarray(nodes[values.at(nodes) < deepest])


def _gradient(field: DistanceField, points: Float64, reach: float) -> Float64:
    """Central differences [N, D] over ``reach`` to both sides."""
    moved = reach * np.eye(field.dimension)
    ends = [field.values((points[:, None] + side * moved).reshape(-1, field.dimension)) for side in (1, -1)]
    return np.asarray((ends[0] - ends[1]).reshape(points.shape) / (2 * reach))


def _one_in_a_cell(points: Float64, low: Float64, cell: float) -> Float64:
    """The means [M, D] of the points of each cell; the ridges of symmetric shapes are not at the sides of cells."""
    keys = np.floor((points - low) / cell + 0.25).astype(np.int64)
    _, where, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    sums = [np.bincount(where.reshape(-1), axis, minlength=len(counts)) for axis in points.T]
    return np.asarray(np.stack(sums, axis=1) / counts[:, None])
