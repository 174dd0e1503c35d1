"""Cells between the leaves of an octree: finer ones where asked, without cracks where they meet larger ones.

Every node of a grid is the middle of a leaf, a cube of one cell. A leaf may be cut into eight, and each of those once
more. The cells are the dual ones (the grid of Schaefer and Warren, Dual Marching Cubes, 2004): one for every corner of
a leaf, between the middles of the eight leaves around it. Where no leaf is cut these are the cells of the grid, and
where a corner lies on a face or an edge of a larger leaf, that one is named several times. Neighbours share whole
faces, so a surface marched over all of them is closed.

Places are counted in eighths of a cell: nodes of the grid are at 8 i, leaves cut once at 8 i +- 2, cut twice at
8 i +- 2 +- 1, all corners at even places.
"""

from __future__ import annotations

import numpy as np

from backend.geometry.arrays import Flags, Float64, Int64
from backend.geometry.edges import edges_of

EIGHTHS = 8  # places a cell
CORNERS = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)])
AROUND = 2 * CORNERS - 1  # from a corner into the leaves around it, in the order of marching cubes [8, 3]
THREE = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), -1).reshape(-1, 3)  # [27, 3]
NEAR = np.stack(np.meshgrid(*[(-2, -1, 0, 1)] * 3, indexing="ij"), -1).reshape(-1, 3)  # [64, 3]


class DualOctree:
    """The leaves that are cut, and the cells that take the place of those of the grid."""

    def __init__(self, counts: Int64, once: Int64, twice: Int64) -> None:
        """The leaves of the nodes ``once`` [S, 3] are cut, and of their parts those at the places ``twice`` [Q, 3].

        ``counts`` [3]: cells of the grid, at whose rim no node may be cut.
        """
        ends = EIGHTHS * (counts + 1)
        self._counts = counts
        self._strides = np.array([ends[1] * ends[2], ends[2], 1])
        self.nodes = once
        self._leaves = twice
        self._once = np.unique(self._keys(EIGHTHS * once))
        self._twice = np.unique(self._keys(twice))

    def cells(self) -> Int64:
        """Places of the corners [C, 8, 3] of all cells at the leaves that are cut."""
        first = (EIGHTHS * self.nodes[:, None] + 4 * THREE).reshape(-1, 3)
        second = (self._leaves[:, None] + 2 * THREE).reshape(-1, 3)
        both = np.concatenate([first, second])
        corners = both[np.unique(self._keys(both), return_index=True)[1]]
        return self._leaf_of(corners[:, None] + AROUND)

    def replaced(self, cells: Int64) -> Flags:
        """Those cells [C] of the grid, by their first corners [C, 3], that are no cells any more."""
        corners = self._keys(EIGHTHS * (cells[:, None] + CORNERS))
        return np.asarray(among(self._once, corners).any(axis=1))

    def cells_beside(self) -> Int64:
        """First corners [C, 3] of the cells of the grid that share a face with cells that are none any more."""
        cells = (self.nodes[:, None] + NEAR).reshape(-1, 3)
        cells = np.unique(cells[((cells >= 0) & (cells < self._counts)).all(axis=1)], axis=0)
        return np.asarray(cells[~self.replaced(cells)])

    def _leaf_of(self, places: Int64) -> Int64:
        """Middles of the leaves around odd places [..., 3]."""
        coarse = EIGHTHS * node_of(places)
        middle = 4 * (places // 4) + 2
        cut_once = among(self._once, self._keys(coarse))[..., None]
        cut_twice = among(self._twice, self._keys(middle))[..., None]
        return np.where(cut_once, np.where(cut_twice, places, middle), coarse)

    def _keys(self, places: Int64) -> Int64:
        return np.asarray(places @ self._strides)


def nodes_around(points: Float64) -> Int64:
    """The nodes [S, 3] of the cells of the grid that hold ``points`` [N, 3], which are in cells from its corner."""
    first = np.unique(np.floor(points).astype(np.int64), axis=0)
    return np.asarray(np.unique((first[:, None] + CORNERS).reshape(-1, 3), axis=0))


def halves_around(points: Float64) -> Int64:
    """Places [Q, 3] of the leaves cut once around ``points`` [N, 3], which are in cells from the grid's corner."""
    first = np.unique(np.floor(2.0 * points - 0.5).astype(np.int64), axis=0)
    return np.asarray(np.unique(4 * (first[:, None] + CORNERS).reshape(-1, 3) + 2, axis=0))


def node_of(places: Int64) -> Int64:
    """The nodes [..., 3] in whose leaves ``places`` [..., 3] lie."""
    return np.asarray((places + 4) // EIGHTHS)


def among(rising: Int64, keys: Int64) -> Flags:
    """Which ``keys`` [...] occur in ``rising`` [N], which is sorted."""
    if not len(rising):
        return np.zeros(keys.shape, bool)
    place = np.minimum(np.searchsorted(rising, keys), len(rising) - 1)
    return np.asarray(rising[place] == keys)


def mended(positions: Float64, triangles: Int64) -> tuple[Float64, Int64]:
    """A closed mesh of such cells with two faces at every edge.

    Where a leaf is named twice a triangle may have two equal corners, and another may lie on its own back: both go. An
    edge that lies in two faces of one triple of leaves may have four triangles: each two of them get a middle of
    their own on it.
    """
    a, b, c = triangles.T
    triangles = triangles[(a != b) & (b != c) & (c != a)]
    positions, triangles = _parted(positions, _without_backs(triangles))
    used, compact = np.unique(triangles, return_inverse=True)
    return positions[used], compact.reshape(-1, 3).astype(np.int64)


def _without_backs(triangles: Int64) -> Int64:
    """Without pairs of triangles that have the same corners and look in opposite directions."""
    corners = np.sort(triangles, axis=1)
    _, which, count = np.unique(corners, axis=0, return_inverse=True, return_counts=True)
    if (count == 1).all():
        return triangles
    which = which.reshape(-1)
    turned = np.zeros(len(triangles), bool)
    for k in range(3):
        turned |= (np.roll(triangles, k, axis=1) == corners[:, ::-1]).all(axis=1)
    balance = np.bincount(which, np.where(turned, -1, 1), len(count)).astype(np.int64)
    more = np.where(turned, -1, 1) * balance[which] > 0
    order = np.lexsort((~more, which))
    rank = np.empty(len(triangles), np.int64)
    rank[order] = np.arange(len(triangles)) - (np.cumsum(count) - count)[which[order]]
    return np.asarray(triangles[more & (rank < np.abs(balance[which]))])


def _parted(positions: Float64, triangles: Int64) -> tuple[Float64, Int64]:
    """Each two triangles, one on either side, at an edge of more than two get a middle of their own on that edge."""
    edges = edges_of(triangles)
    if not edges.crowded.any():
        return positions, triangles
    count = len(positions)
    starts, ends = triangles, np.roll(triangles, -1, axis=1)
    own = np.minimum(starts, ends) * count + np.maximum(starts, ends)  # [T, 3]
    crowded = edges.ends[edges.crowded] @ np.array([count, 1])
    hit = among(np.sort(crowded), own)
    faces, sides = np.nonzero(hit)
    order = np.lexsort(((starts < ends)[hit], own[hit]))  # the sides of an edge, half of them forwards, in a row
    faces, sides, edge = faces[order], sides[order], own[hit][order]
    begin = np.searchsorted(edge, edge)
    half = np.bincount(begin, minlength=len(edge))[begin] // 2
    first, middle = np.unique(begin + (np.arange(len(edge)) - begin) % half, return_inverse=True)
    middles = np.full(triangles.shape, -1)
    middles[faces, sides] = count + middle.reshape(-1)
    added = positions[triangles[faces, sides]] + positions[triangles[faces, (sides + 1) % 3]]
    cut = np.concatenate([triangles[~hit.any(axis=1)], _fans(triangles, middles)])
    return np.concatenate([positions, added[first] / 2]), cut


def _fans(triangles: Int64, middles: Int64) -> Int64:
    """The triangles [T, 3] that have a middle on some side, -1 for none, [T, 3], cut up around the first of theirs."""
    some = (middles >= 0).any(axis=1)
    turn = ((middles[some] >= 0).argmax(axis=1)[:, None] + np.arange(3)) % 3
    triangles = np.take_along_axis(triangles[some], turn, axis=1)
    centre, *others = np.take_along_axis(middles[some], turn, axis=1).T
    found = []
    for k, middle in enumerate(others):
        start, end = triangles[:, k + 1], triangles[:, (k + 2) % 3]
        whole = middle < 0
        found.append(np.stack([centre, start, np.where(whole, end, middle)], axis=1))
        found.append(np.stack([centre, middle, end], axis=1)[~whole])
    return np.concatenate(found)
