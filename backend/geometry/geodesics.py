"""Distances along a surface."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import dijkstra

from backend.geometry.arrays import Float64, Int64, Integers
from backend.geometry.edges import edges_of


class Geodesics:
    """Shortest ways over one surface, along edges and straight across pairs of neighbouring triangles.

    They are at most a few per cent longer than the shortest ways over the faces, and need no more than a triangle list.
    """

    def __init__(self, positions: Float64, triangles: Integers) -> None:
        faces = np.asarray(triangles, np.int64)
        ends = edges_of(faces).ends
        across, lengths = _across(positions, faces)
        pairs = np.concatenate([ends, across])
        reach = np.concatenate([np.linalg.norm(positions[ends[:, 0]] - positions[ends[:, 1]], axis=1), lengths])
        n = len(positions)
        rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
        graph = coo_matrix((np.maximum(np.tile(reach, 2), 1e-300), (rows, columns)), shape=(n, n))
        keys = rows * n + columns
        order = np.lexsort((graph.data, keys))
        first = order[np.concatenate([[True], np.diff(keys[order]) > 0])]  # the shortest of ways between the same two
        self._graph = csr_matrix((graph.data[first], (rows[first], columns[first])), shape=(n, n))

    @property
    def neighbours(self) -> csr_matrix:
        """Lengths [V, V] of the single steps."""
        return self._graph

    def from_vertices(self, vertices: Integers) -> Float64:
        """Distances [S, V] from vertices [S]; infinite to other parts of the surface."""
        return np.asarray(dijkstra(self._graph, directed=True, indices=np.asarray(vertices)))


def _across(positions: Float64, triangles: Int64) -> tuple[Int64, Float64]:
    """Pairs [P, 2] of corners opposite of a shared edge and their distance [P] when both triangles are laid flat."""
    corners = np.concatenate([triangles[:, [k, (k + 1) % 3, (k + 2) % 3]] for k in range(3)])  # edge, then opposite
    low, high = corners[:, :2].min(axis=1), corners[:, :2].max(axis=1)
    order = np.lexsort((high, low))
    same = (np.diff(low[order]) == 0) & (np.diff(high[order]) == 0)
    one, other = order[:-1][same], order[1:][same]
    a, b = positions[low[one]], positions[high[one]]
    edge = np.linalg.norm(b - a, axis=1)
    along = (b - a) / np.maximum(edge, 1e-300)[:, None]

    def laid(corner: Int64) -> tuple[Float64, Float64]:
        offset = positions[corner] - a
        x = np.einsum("ni,ni->n", offset, along)
        return x, np.linalg.norm(offset - x[:, None] * along, axis=1)

    (x1, y1), (x2, y2) = laid(corners[one, 2]), laid(corners[other, 2])
    y = y1 + y2
    crossing = x1 + (x2 - x1) * y1 / np.maximum(y, 1e-300)
    inside = (crossing >= 0.0) & (crossing <= edge) & (edge > 0.0) & (y > 0.0)
    pairs = np.stack([corners[one, 2], corners[other, 2]], axis=1)[inside]
    return pairs, np.hypot(x2 - x1, y)[inside]
