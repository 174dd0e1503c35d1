"""Segments in the plane cut where they cross, touch or lie on each other, so that they only meet at their ends."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from backend.geometry.arrays import Flags, Float64, Int64
from backend.geometry.slabs import Slabs

TOUCH = 5e-6  # of the diagonal: what is no further apart meets


def noded(points: Float64, segments: Int64) -> tuple[Float64, Int64]:
    """The same lines over points [N, 2] as segments [S, 2] that cross nowhere, each once."""
    reach = TOUCH * float(np.linalg.norm(np.ptp(points[segments.reshape(-1)], axis=0)))
    points, segments = _merged(points, segments, reach)
    if not len(segments):
        return points, segments
    low, high = points[segments].min(axis=1) - reach, points[segments].max(axis=1) + reach  # [S, 2]
    i, j = Slabs(low[:, 1], high[:, 1]).together()
    near = ((low[i] <= high[j]) & (low[j] <= high[i])).all(axis=1)
    i, j = i[near], j[near]
    cuts = [_crossings(points, segments, i, j), *_touchings(points, segments, i, j, reach)]
    which, along = np.concatenate([cut[0] for cut in cuts]), np.concatenate([cut[1] for cut in cuts])
    return _merged(*_cut(points, segments, which, along), reach)


def _crossings(points: Float64, segments: Int64, i: Int64, j: Int64) -> tuple[Int64, Float64]:
    """Segments that are crossed [K] and how far along [K], by others that go from one side of them to the other."""
    p, q = points[segments[i, 0]], points[segments[j, 0]]
    r, s = points[segments[i, 1]] - p, points[segments[j, 1]] - q
    area = _cross(r, s)
    slanted = np.abs(area) > 1e-12 * np.linalg.norm(r, axis=1) * np.linalg.norm(s, axis=1)
    safe = np.where(slanted, area, 1.0)
    t, u = _cross(q - p, s) / safe, _cross(q - p, r) / safe
    found = slanted & (t > 0.0) & (t < 1.0) & (u > 0.0) & (u < 1.0)
    return np.concatenate([i[found], j[found]]), np.concatenate([t[found], u[found]])


def _touchings(points: Float64, segments: Int64, i: Int64, j: Int64, reach: float) -> list[tuple[Int64, Float64]]:
    """The same for segments on which an end of another lies."""
    found = []
    for one, other in ((i, j), (j, i)):
        start = points[segments[one, 0]]
        along = points[segments[one, 1]] - start
        for end in (0, 1):
            place = points[segments[other, end]] - start
            t = (place * along).sum(axis=1) / (along * along).sum(axis=1)
            on: Flags = (t > 0.0) & (t < 1.0) & (np.linalg.norm(place - t[:, None] * along, axis=1) <= reach)
            found.append((one[on], t[on]))
    return found


def _cut(points: Float64, segments: Int64, which: Int64, along: Float64) -> tuple[Float64, Int64]:
    """Segments ``which`` [K] cut at ``along`` [K] between 0 and 1."""
    order = np.lexsort((along, which))
    which, along = which[order], along[order]
    a, b = points[segments[which, 0]], points[segments[which, 1]]
    new = len(points) + np.arange(len(which))
    # Every segment as the list of its points, all lists one after another.
    count = np.bincount(which, minlength=len(segments)) + 2
    ends = np.cumsum(count)
    chain = np.zeros(int(ends[-1]), np.int64)
    inner = np.ones(len(chain), bool)
    inner[ends - 1] = inner[ends - count] = False
    chain[ends - count], chain[ends - 1], chain[inner] = segments[:, 0], segments[:, 1], new
    pieces = np.stack([chain[:-1], chain[1:]], axis=1)
    pieces = np.delete(pieces, ends[:-1] - 1, axis=0)
    return np.concatenate([points, a + along[:, None] * (b - a)]), pieces


def _merged(points: Float64, segments: Int64, reach: float) -> tuple[Float64, Int64]:
    """Points within ``reach`` of each other as one; segments without a length, or there twice, left out."""
    pairs = cKDTree(points).query_pairs(reach, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs)), pairs.T), (len(points), len(points)))
    _, group = connected_components(graph, directed=False)
    _, first, number = np.unique(group, return_index=True, return_inverse=True)
    segments = np.sort(number[segments], axis=1)
    segments = np.unique(segments[segments[:, 0] != segments[:, 1]], axis=0)
    return points[first], segments


def _cross(a: Float64, b: Float64) -> Float64:
    """z of the cross products of vectors [K, 2]."""
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
