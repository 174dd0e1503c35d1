"""Plain quantities of a triangle mesh: areas, normals, volume, the size of its box, its connected parts."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from backend.geometry.arrays import Float64, Int64, Integers

SMALLEST_AREA = 1e-12  # of the squared diagonal: smaller faces have no usable normal and are left out


def area_vectors(positions: Float64, triangles: Integers) -> Float64:
    """Normals [T, 3] as long as the triangle's area."""
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    return np.asarray(np.cross(b - a, c - a) / 2)


def unit(vectors: Float64) -> Float64:
    """Vectors [N, 3] made 1 long; those without a length stay 0."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300))


def vertex_normals(positions: Float64, triangles: Integers) -> Float64:
    """Sum [V, 3] of the area vectors of the triangles around every vertex; not of length 1."""
    vectors = np.repeat(area_vectors(positions, triangles), 3, axis=0)
    columns = [np.bincount(np.ravel(triangles), vectors[:, k], len(positions)) for k in range(3)]
    return np.stack(columns, axis=1)


def areas(positions: Float64, triangles: Integers) -> Float64:
    """Area of every triangle [T]."""
    return np.asarray(np.linalg.norm(area_vectors(positions, triangles), axis=1))


def signed_volume(positions: Float64, triangles: Integers) -> float:
    """Enclosed volume of a closed mesh; positive when the normals point outwards."""
    return float(signed_volumes(positions, triangles).sum())


def signed_volumes(positions: Float64, triangles: Integers) -> Float64:
    """Volume of the tetrahedron between each triangle and the middle of the box [T]."""
    middle = (positions.min(axis=0) + positions.max(axis=0)) / 2
    centred = positions - middle
    vectors = area_vectors(centred, triangles)
    return np.asarray(np.einsum("ti,ti->t", centred[triangles[:, 0]], vectors) / 3)


def diagonal(positions: Float64, triangles: Integers) -> float:
    """Diagonal of the axis-aligned box of the vertices that faces use."""
    used = positions[np.unique(triangles)]
    return float(np.linalg.norm(np.ptp(used, axis=0)))


def part_areas(positions: Float64, triangles: Integers) -> tuple[Float64, Int64]:
    """Area of every connected part [P], 0 of lone vertices, and the part of every triangle [T]."""
    n, of_vertex = parts(len(positions), triangles)
    of_face = of_vertex[triangles[:, 0]]
    return np.asarray(np.bincount(of_face, areas(positions, triangles), n), np.float64), of_face


def smallest_share(positions: Float64, triangles: Integers) -> float:
    """Area of the smallest connected part over the whole area."""
    area, _ = part_areas(positions, triangles)
    return float(area[area > 0].min() / area.sum())


def box_around(points: Float64, margin: float) -> tuple[Float64, Float64]:
    """Low and high corner [3] of the axis-aligned box of points [N, 3], with a margin in its longest sides."""
    low, high = points.min(axis=0), points.max(axis=0)
    room = margin * float((high - low).max())
    return low - room, high + room


def parts(n_vertices: int, triangles: Integers) -> tuple[int, Int64]:
    """Number of connected parts (lone vertices counted) and the part of every vertex [V]."""
    rows = np.concatenate([triangles[:, 0], triangles[:, 1]])
    columns = np.concatenate([triangles[:, 1], triangles[:, 2]])
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(n_vertices, n_vertices))
    n, label = connected_components(graph, directed=False)
    return int(n), np.asarray(label, np.int64)
