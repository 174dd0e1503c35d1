"""Cells between the leaves of an octree: finer ones where asked, without cracks where they meet larger ones.

Every node of a grid is the middle of a leaf, a cube of one cell. A leaf may be cut into eight, and so may its parts,
``LEVELS`` times. The cells are the dual ones (the grid of Schaefer and Warren, Dual Marching Cubes, 2004): one for
every corner of a leaf, between the middles of the eight leaves around it. Where no leaf is cut these are the cells of
the grid, and where a corner lies on a face or an edge of a larger leaf, that one is named several times. Neighbours
share whole faces, so a surface marched over all of them is closed.

Places are counted in sixteenths of a cell: nodes of the grid are at 16 i, leaves cut once at 16 i +- 4, and so on to
odd places for those that cannot be cut any more; all corners are at even places.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.geometry.arrays import Flags, Float64, Int64
from backend.geometry.edges import edges_of

LEVELS = 3
UNITS = 2 << LEVELS  # places a cell
CORNERS = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)])
AROUND = 2 * CORNERS - 1  # from a corner into the leaves around it, in the order of marching cubes [8, 3]
THREE = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), -1).reshape(-1, 3)  # [27, 3]
NEAR = np.stack(np.meshgrid(*[(-2, -1, 0, 1)] * 3, indexing="ij"), -1).reshape(-1, 3)  # [64, 3]


class DualOctree:
    """The leaves that are cut, and the cells that take the place of those of the grid."""

    def __init__(self, counts: Int64, cut: Sequence[Int64]) -> None:
        """``cut[k]`` [S, 3]: places of the leaves, cut k times before, that are cut once more; each part of the last.

        ``counts`` [3]: cells of the grid, at whose rim no leaf may be cut.
        """
        ends = UNITS * (counts + 1)
        self._counts = counts
        self._strides = np.array([ends[1] * ends[2], ends[2], 1])
        self._cut = cut
        self._keys_cut = [np.unique(self._keys(places)) for places in cut]

    def cells(self) -> Int64:
        """Places of the corners [C, 8, 3] of all cells at the leaves that are cut."""
        found = np.concatenate(
            [(places[:, None] + side_of(k) // 2 * THREE).reshape(-1, 3) for k, places in enumerate(self._cut)]
        )
        corners = found[np.unique(self._keys(found), return_index=True)[1]]
        return self._leaf_of(corners[:, None] + AROUND)

    def replaced(self, cells: Int64) -> Flags:
        """Those cells [C] of the grid, by their first corners [C, 3], that are no cells any more."""
        corners = self._keys(UNITS * (cells[:, None] + CORNERS))
        return np.asarray(among(self._keys_cut[0], corners).any(axis=1))

    def cells_beside(self) -> Int64:
        """First corners [C, 3] of the cells of the grid that share a face with cells that are none any more."""
        cells = (self._cut[0][:, None] // UNITS + NEAR).reshape(-1, 3)
        cells = cells[((cells >= 0) & (cells < self._counts)).all(axis=1)]
        cells = cells[np.unique(self._keys(cells), return_index=True)[1]]
        return np.asarray(cells[~self.replaced(cells)])

    def _leaf_of(self, places: Int64) -> Int64:
        """Middles of the leaves around odd places [..., 3]."""
        found = middle_of(places, 0)
        cut = np.ones(places.shape[:-1], bool)
        for k, keys in enumerate(self._keys_cut):
            cut[cut] = among(keys, self._keys(found[cut]))
            found[cut] = middle_of(places[cut], k + 1)
        return found

    def _keys(self, places: Int64) -> Int64:
        return np.asarray(places @ self._strides)


def side_of(level: int) -> int:
    """Side of the leaves cut ``level`` times."""
    return int(UNITS >> level)


def middle_of(places: Int64, level: int) -> Int64:
    """Middles [..., 3] of the leaves cut ``level`` times in which ``places`` [..., 3] lie."""
    side = side_of(level)
    shift = 0 if level else side // 2
    return np.asarray((places + shift) // side * side + (side // 2 - shift))


def leaves_around(points: Float64, level: int) -> Int64:
    """Places [S, 3] of the eight leaves, cut ``level`` times, nearest to each of ``points`` [N, 3], in cells."""
    side = side_of(level)
    shift = side // 2 if level else 0
    first = np.unique(np.floor((UNITS * points - shift) / side).astype(np.int64), axis=0)
    return np.asarray(np.unique(side * (first[:, None] + CORNERS).reshape(-1, 3) + shift, axis=0))


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
