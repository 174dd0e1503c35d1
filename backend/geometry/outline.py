"""What polylines in the plane enclose: the directed outlines of the regions that are filled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from backend.geometry.arrays import Flags, Float64, Int64
from backend.geometry.noding import noded
from backend.geometry.plane_winding import PlaneWinding

GAP = 0.1  # of its length: a line whose ends are no further apart is closed
LOOKS = 32  # points of a figure by which it is decided what it lies in


@dataclass(frozen=True, eq=False)
class Outline:
    """Closed outlines that cross nowhere, with what is filled on their left."""

    points: Float64  # [N, 2]
    segments: Int64  # [S, 2], directed
    enclosing: float  # share of the length of all lines that belongs to figures which enclose something
    holes: int  # figures cut out of others
    figures: int
    gaps: int  # lines that end near where they began, closed by a straight one


def outline_of(points: Float64, segments: Int64) -> Outline:
    """The outlines of what the lines [S, 2] over points [N, 2] enclose, whichever way they were drawn.

    Lines that meet or cross are one figure, and all it encloses is filled; a figure inside another one is a hole in
    it, one inside that is filled again, and so on. Lines that enclose nothing are left out.
    """
    points, segments = noded(points, segments)
    if not len(segments):
        return Outline(points, segments, 0.0, 0, 0, 0)
    bridges = _gaps(points, segments, _figures(points, segments))
    if len(bridges):
        points, segments = noded(points, np.concatenate([segments, bridges]))
    figure = _figures(points, segments)
    lengths = np.linalg.norm(points[segments[:, 1]] - points[segments[:, 0]], axis=1)
    of_segment = figure[segments[:, 0]]
    outer = _outer(points, segments, of_segment)  # [E, 2]
    closed = np.unique(figure[outer[:, 0]])
    share = float(lengths[np.isin(of_segment, closed)].sum() / lengths.sum())
    loops = [outer[figure[outer[:, 0]] == number] for number in closed.tolist()]
    odd = _depth(points, loops) % 2 == 1
    turned = [loop[:, ::-1] if hole else loop for loop, hole in zip(loops, odd.tolist(), strict=True)]
    return Outline(
        points, np.concatenate([np.zeros((0, 2), np.int64), *turned]), share, int(odd.sum()), len(loops), len(bridges)
    )


def _figures(points: Float64, segments: Int64) -> Int64:
    """The number of the figure that each point belongs to [N]."""
    graph = coo_matrix((np.ones(len(segments)), segments.T), (len(points), len(points)))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _gaps(points: Float64, segments: Int64, figure: Int64) -> Int64:
    """Between the two ends [K, 2] of every plain line that ends near where it began."""
    count = int(figure.max()) + 1
    degree = np.bincount(segments.reshape(-1), minlength=len(points))
    loose = np.flatnonzero(degree == 1)
    plain = (np.bincount(figure[loose], minlength=count) == 2) & (np.bincount(figure[degree > 2], minlength=count) == 0)
    length = np.bincount(
        figure[segments[:, 0]], np.linalg.norm(points[segments[:, 1]] - points[segments[:, 0]], axis=1), count
    )
    loose = loose[plain[figure[loose]]]
    ends = loose[np.argsort(figure[loose], kind="stable")].reshape(-1, 2)
    apart = np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1)
    return np.asarray(ends[apart <= GAP * length[figure[ends[:, 0]]]])


def _outer(points: Float64, segments: Int64, figure: Int64) -> Int64:
    """The outermost segments of every figure, directed counter-clockwise around it [E, 2].

    Every segment is walked along in both directions; turning right as far as possible at every point, one walks around
    the faces of the drawing. The walk around a whole figure is the one with the most negative area.
    """
    walks = np.concatenate([segments, segments[:, ::-1]])
    count = len(segments)
    back = np.concatenate([np.arange(count) + count, np.arange(count)])
    way = points[walks[:, 1]] - points[walks[:, 0]]
    order = np.lexsort((np.arctan2(way[:, 1], way[:, 0]), walks[:, 0]))
    place = np.empty(2 * count, np.int64)
    place[order] = np.arange(2 * count)
    degree = np.bincount(walks[:, 0], minlength=len(points))
    start = np.cumsum(degree) - degree
    at = walks[:, 1]
    # Of those that leave a point in counter-clockwise order, the one before the way back has the face on its left.
    following = order[start[at] + (place[back] - start[at] - 1) % degree[at]]
    graph = coo_matrix((np.ones(2 * count), (np.arange(2 * count), following)), (2 * count, 2 * count))
    n_faces, face = connected_components(graph, directed=True, connection="weak")
    a, b = points[walks[:, 0]], points[walks[:, 1]]
    area = np.bincount(face, (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2.0, n_faces)
    figure_of_face = np.zeros(n_faces, np.int64)
    figure_of_face[face] = np.tile(figure, 2)
    by_area = np.lexsort((area, figure_of_face))
    _, first = np.unique(figure_of_face[by_area], return_index=True)
    outside = np.isin(face, by_area[first])
    bridge: Flags = outside & outside[back]  # outside on both sides
    return np.asarray(walks[outside & ~bridge][:, ::-1])


def _depth(points: Float64, loops: list[Int64]) -> Int64:
    """How many of the figures each one lies in [K]."""
    depth = np.zeros(len(loops), np.int64)
    if len(loops) < 2:
        return depth
    looks = [points[loop[:: -(-len(loop) // LOOKS), 0]] for loop in loops]
    middle = np.array([look.mean(axis=0) for look in looks])
    for number, loop in enumerate(loops):
        low, high = points[loop[:, 0]].min(axis=0), points[loop[:, 0]].max(axis=0)
        near = np.flatnonzero(((middle >= low) & (middle <= high)).all(axis=1))
        near = near[near != number]
        if not len(near):
            continue
        around = PlaneWinding(points, loop)(np.concatenate([looks[k] for k in near.tolist()])) != 0
        owner = np.repeat(np.arange(len(near)), [len(looks[k]) for k in near.tolist()])
        inside = np.bincount(owner, around, len(near)) / np.bincount(owner, minlength=len(near))
        depth[near[inside > 0.5]] += 1
    return depth
