"""Polylines given as rows of points, one after another: joined where they meet, and told apart from clouds."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.spatial import cKDTree

from backend.geometry.arrays import Float64, Int64

MEETING = 5e-6  # of the diagonal: points of paths that are no further apart are one
FOLLOWS = 0.8  # share of the points of a path whose nearest one comes just before or after; of a scan by rows 0.6
FEW = 8  # below, chance alone puts neighbours side by side
BACK = 1.5  # a loop ends no further from its first point than this many of its longest steps


def joined(paths: Sequence[Float64]) -> tuple[Float64, Int64]:
    """The points [N, D] and segments [S, 2] of ``paths``, each [K, D]; a closed one ends where it began.

    Points of different paths, or of the two ends of one, become one where they meet.
    """
    if not paths:
        return np.zeros((0, 2)), np.zeros((0, 2), np.int64)
    starts = np.cumsum([0] + [len(path) for path in paths])
    pieces = [np.arange(a, b - 1) for a, b in pairwise(starts.tolist())]
    first = np.concatenate(pieces)
    return welded(np.concatenate(paths), np.stack([first, first + 1], axis=1))


def welded(points: Float64, segments: Int64) -> tuple[Float64, Int64]:
    """Points [N, D] and segments [S, 2] with ends that meet joined; segments without a length are left out."""
    if not len(segments):
        return points, segments
    ends, times = np.unique(segments, return_counts=True)
    loose = ends[times == 1]  # only ends are sewn: paths that cross or touch stay two paths
    size = float(np.linalg.norm(np.ptp(points[ends], axis=0)))
    number = np.arange(len(points))
    for a, b in cKDTree(points[loose]).query_pairs(MEETING * size) if len(loose) else ():
        low, high = sorted((number[loose[a]], number[loose[b]]))
        number[number == high] = low
    segments = number[segments]
    segments = segments[(points[segments[:, 0]] != points[segments[:, 1]]).any(axis=1)]
    used, compact = np.unique(segments, return_inverse=True)
    return points[used], compact.reshape(-1, 2).astype(np.int64)


def is_path(points: Float64) -> bool:
    """Whether points [N, D] come in the order of a curve: the nearest of most of them is the one before or after.

    Of fewer than 8 points that says nothing; in the plane they are taken for a polygon, in space for a cloud.
    """
    points = points[np.concatenate([np.ones(1, bool), (np.diff(points, axis=0) != 0).any(axis=1)])]
    if len(points) > 1 and (points[0] == points[-1]).all():
        points = points[:-1]
    if len(points) < FEW:
        return points.shape[1] == 2 and len(points) > 1
    nearest = cKDTree(points).query(points, k=2)[0][:, 1]
    steps = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    along = np.minimum(steps, np.roll(steps, 1))
    return bool((along <= nearest * (1.0 + 1e-9)).mean() >= FOLLOWS)


def closed(points: Float64) -> Float64:
    """The path [N, D] with its first point once more at its end, instead of one that meets it."""
    meets = np.linalg.norm(points[-1] - points[0]) <= MEETING * np.linalg.norm(np.ptp(points, axis=0))
    return np.concatenate([points[:-1] if meets else points, points[:1]])


def comes_back(points: Float64) -> bool:
    """Whether a path [N, D] ends about where it began, as a loop does that was written without its last side."""
    if len(points) < 3:
        return False
    longest = float(np.linalg.norm(np.diff(points, axis=0), axis=1).max())
    return bool(np.linalg.norm(points[-1] - points[0]) <= BACK * longest)
