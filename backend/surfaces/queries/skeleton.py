"""The skeleton of a fitted shape: points deep inside where the gradient of the field is short.

Coiffier and Bethune, SGP 2024, section on skeletons: where the nearest points of the surface lie on opposite sides, the
gradient of a distance has no direction, and that of a network is short. Theirs keeps the nodes of a grid where it is
below one half, and takes plain gradient steps. Here the gradient is that of central differences over a cell, so that
the sharp ridge of a good field is not stepped over, and Newton steps across the ridge make a thin skeleton of the wide
valley that a smooth network has there.
"""

from __future__ import annotations

import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.cells import cell_means
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.queries.lattice import Check, Remembered, lattice_for
from protocol.settings import SettingError

SHORT = 0.5  # length of the gradient on the skeleton, at most: corners that are not blunter than 60 degrees have none
CELLS = {2: 256, 3: 80}  # along the longest side, by the dimension
DEPTH = 1.5  # cells below the surface, at least
BESIDE = 0.25  # so much longer it may be at the nodes that the search begins at, which the ridge runs between
STEPS = 6  # onto the ridge
SHARE = 0.3  # of the greatest curvature, in directions across the ridge
LONGEST = 2.0  # cells of a step
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
    near = np.linalg.norm(across, axis=1) < longest + BESIDE
    points = lattice.low + lattice.cell * nodes[near]
    corner = lattice.low - lattice.cell / 4  # ridges of symmetric shapes are not at the sides of cells
    for _ in range(STEPS):
        points = cell_means(points + _to_ridge(field, points, lattice.cell), corner, lattice.cell)
    _, gradient, _ = _differences(field, points, lattice.cell)
    deep = field.values(points) < field.level - DEPTH * lattice.cell
    return np.asarray(points[deep & (np.linalg.norm(gradient, axis=1) < longest)])


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


def _to_ridge(field: DistanceField, points: Float64, cell: float) -> Float64:
    """Newton steps [N, D] to where the field is least across its ridge, in the directions in which it bends most.

    Along the ridge it bends little, and nothing moves. (Eberly, Ridges in Image and Data Analysis, 1996.)
    """
    _, gradient, bending = _differences(field, points, cell)
    curvature, axes = np.linalg.eigh(bending)  # rising; axes [N, D, D] in columns
    across = curvature > np.maximum(SHARE * curvature[:, -1:], 1e-9 / cell)
    steps = -np.einsum("nd,ndk->nk", gradient, axes) / np.where(across, curvature, np.inf)
    moved = np.einsum("ndk,nk->nd", axes, steps)
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.asarray(moved * np.minimum(1.0, LONGEST * cell / np.maximum(length, 1e-12 * cell)))


def _differences(field: DistanceField, points: Float64, reach: float) -> tuple[Float64, Float64, Float64]:
    """Value [N], gradient [N, D] and second derivatives [N, D, D], by central differences over ``reach``."""
    dimension = field.dimension
    offsets = np.stack(np.meshgrid(*[(-1, 0, 1)] * dimension, indexing="ij"), -1).reshape(-1, dimension)
    offsets = offsets[np.abs(offsets).sum(axis=1) <= 2]  # [K, D]
    values = field.values((points[:, None] + reach * offsets).reshape(-1, dimension)).reshape(len(points), -1)
    number = {tuple(offset): values[:, k] for k, offset in enumerate(offsets.tolist())}
    one = np.eye(dimension, dtype=int)
    middle = number[(0,) * dimension]
    gradient, bending = np.empty_like(points), np.empty((*points.shape, dimension))
    for i in range(dimension):
        after, before = number[tuple(one[i])], number[tuple(-one[i])]
        gradient[:, i] = (after - before) / (2 * reach)
        bending[:, i, i] = (after + before - 2 * middle) / reach**2
        for j in range(i):
            same = number[tuple(one[i] + one[j])] + number[tuple(-one[i] - one[j])]
            other = number[tuple(one[i] - one[j])] + number[tuple(one[j] - one[i])]
            bending[:, i, j] = bending[:, j, i] = (same - other) / (4 * reach**2)
    return middle, gradient, bending
