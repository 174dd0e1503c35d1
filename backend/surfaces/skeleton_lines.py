"""Lines through the points of a skeleton: a forest over near points, without its stubs, cut at its forks.

The points of a fitted field's skeleton fill a tube around the true one, so they are drawn together first. A forest has
no rings, so ends that lie near each other are joined again.
"""

from __future__ import annotations

from itertools import pairwise
from typing import cast

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import KDTree

from backend.geometry.arrays import Float64, Int64
from backend.geometry.cells import cell_means

REACH = 0.04  # of the longest side: points so near each other are drawn together
DRAWS = 4  # times
CELLS = 64  # along the longest side, in each of which points become one
NEAR = 3.0  # cells between points that a line may join
STUB = 3  # edges of a branch that is too short to be one
NEIGHBOURS = 12  # of a point that a line may go to


def skeleton_lines(points: Float64) -> tuple[Float64, list[Int64]]:
    """Fewer points [M, D] than the given ones [N, D], and lines of two or more of them, from end or fork to the next.

    A ring ends with the point that it began with.
    """
    if len(points) == 0:
        return points, []
    longest = max(float(np.ptp(points, axis=0).max()), float(np.finfo(np.float64).tiny))
    cell = longest / CELLS
    places = cell_means(points, points.min(axis=0), cell / 2)
    for _ in range(DRAWS):
        places = _drawn(places, REACH * longest)
    places = cell_means(places, places.min(axis=0), cell)
    neighbours = [set(map(int, one)) for one in _forest(places, NEAR * cell)]
    _without_stubs(neighbours)
    _join_ends(neighbours, places, NEAR * cell)
    return places, _chains(neighbours)


def _drawn(places: Float64, reach: float) -> Float64:
    """Every point moved to the mean of those around it, but not along the line that they lie on, whose ends stay."""
    pairs = KDTree(places).query_pairs(reach, output_type="ndarray")
    itself = np.arange(len(places))
    rows, columns = (
        np.concatenate([pairs[:, 0], pairs[:, 1], itself]),
        np.concatenate([pairs[:, 1], pairs[:, 0], itself]),
    )
    near = csr_matrix((np.ones(len(rows)), (rows, columns)))
    counts = np.diff(near.indptr)[:, None]
    mean = near @ places / counts  # [N, D]
    squares = near @ (places[:, :, None] * places[:, None, :]).reshape(len(places), -1) / counts
    spread = squares.reshape(-1, places.shape[1], places.shape[1]) - mean[:, :, None] * mean[:, None, :]
    along = np.linalg.eigh(spread)[1][:, :, -1]  # [N, D], of the largest spread
    step = mean - places
    return np.asarray(places + step - (step * along).sum(axis=1, keepdims=True) * along)


def _forest(places: Float64, near: float) -> list[Int64]:
    """Neighbours of every point in the shortest forest over points that are ``near`` each other."""
    count = len(places)
    if count == 1:
        return [np.zeros(0, np.int64)]
    distance, other = KDTree(places).query(places, min(NEIGHBOURS + 1, count), distance_upper_bound=near)
    rows, columns = np.nonzero(np.isfinite(distance) & (other != np.arange(count)[:, None]))
    graph = csr_matrix((distance[rows, columns], (rows, other[rows, columns])), (count, count))
    tree = minimum_spanning_tree(graph)
    both = cast(csr_matrix, (tree + tree.T).tocsr())
    return np.split(both.indices.astype(np.int64), both.indptr[1:-1])


def _without_stubs(neighbours: list[set[int]]) -> None:
    """Takes away branches of fewer than ``STUB`` edges that end freely, those of one fork all but the longest."""
    for end in [i for i, near in enumerate(neighbours) if len(near) == 1]:
        branch = [end]
        while len(branch) <= STUB and len(ahead := neighbours[branch[-1]] - set(branch[-2:-1])) == 1:
            branch.append(ahead.pop())
        fork = branch[-1]
        if len(branch) <= STUB and len(neighbours[fork]) > 2:
            for one, following in pairwise(branch):
                neighbours[one].discard(following)
                neighbours[following].discard(one)


def _join_ends(neighbours: list[set[int]], places: Float64, near: float) -> None:
    """Joins free ends that are ``near`` each other, but far along the lines."""
    ends = [i for i, around in enumerate(neighbours) if len(around) == 1]
    for one, other in sorted(KDTree(places[ends]).query_pairs(near)) if ends else ():
        first, second = ends[one], ends[other]
        free = len(neighbours[first]) == 1 and len(neighbours[second]) == 1
        if free and second not in _around(neighbours, first, NEIGHBOURS):
            neighbours[first].add(second)
            neighbours[second].add(first)


def _around(neighbours: list[set[int]], start: int, steps: int) -> set[int]:
    """The points within so many steps along the lines."""
    seen, edge = {start}, {start}
    for _ in range(steps):
        edge = set().union(*(neighbours[i] for i in edge)) - seen
        seen |= edge
    return seen


def _chains(neighbours: list[set[int]]) -> list[Int64]:
    """The lines between points that have not exactly two neighbours, and the rings of those that have."""
    chains: list[list[int]] = []
    for start, near in enumerate(neighbours):
        for first in sorted(near) if len(near) != 2 else ():
            chain = _walk(neighbours, start, first)
            if chain[-1] > start or (chain[-1] == start and chain[1] < chain[-2]):  # each is walked from both ends
                chains.append(chain)
    left = {i for i, near in enumerate(neighbours) if len(near) == 2}.difference(*chains)
    while left:
        start = min(left)
        chain = _walk(neighbours, start, min(neighbours[start]))
        left.difference_update(chain)
        chains.append(chain)
    return [np.array(chain, np.int64) for chain in chains]


def _walk(neighbours: list[set[int]], start: int, first: int) -> list[int]:
    """From one point over its neighbour ``first`` to the next end or fork, or back to where it began."""
    chain = [start, first]
    while len(neighbours[chain[-1]]) == 2 and chain[-1] != start:
        chain.append((neighbours[chain[-1]] - {chain[-2]}).pop())
    return chain
