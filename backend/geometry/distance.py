"""Distances between points and surfaces."""

from __future__ import annotations

import igl
import numpy as np
from scipy.spatial import cKDTree

from backend.geometry.arrays import Float64, Int64, Integers
from backend.geometry.sampling import sample_surface


def closest_on_surface(
    points: Float64,  # [N, D]
    positions: Float64,  # [W, D]
    triangles: Integers,  # [T, 3], or segments [T, 2]: of curves in the plane or in space
) -> tuple[Float64, Int64, Float64]:
    """Distance [N], triangle [N] and closest surface point [N, D] of every point."""
    if not len(points):
        return np.zeros(0), np.zeros(0, np.int64), np.zeros((0, positions.shape[1]))
    middle, size = _frame(positions)
    squared, face, closest = igl.point_mesh_squared_distance(
        _rows((points - middle) / size), _rows((positions - middle) / size), np.ascontiguousarray(triangles, np.int64)
    )
    distance = np.sqrt(np.maximum(np.asarray(squared).reshape(-1), 0.0)) * size
    return distance, np.asarray(face, np.int64).reshape(-1), np.asarray(closest).reshape(points.shape) * size + middle


def exact_distances(
    first: tuple[Float64, Integers],  # positions [W, 3] and triangles [T, 3]
    second: tuple[Float64, Integers],
    count: int,
    rng: np.random.Generator,
) -> tuple[Float64, Float64]:
    """Exact distances [count] from points of the first surface to the second, and back; points uniform by area."""
    there = closest_on_surface(sample_surface(*first, count, rng)[0], *second)[0]
    return there, closest_on_surface(sample_surface(*second, count, rng)[0], *first)[0]


def nearest_distances(a: Float64, b: Float64) -> tuple[Float64, Float64]:
    """From every point of ``a`` [N, 3] to the nearest of ``b`` [M, 3], and the other way: distances [N] and [M]."""
    return (
        np.asarray(cKDTree(b).query(a, workers=-1)[0], np.float64),
        np.asarray(cKDTree(a).query(b, workers=-1)[0], np.float64),
    )


def _frame(positions: Float64) -> tuple[Float64, float]:
    """Middle [3] and size of the box: tree searches are scaled to order one, tiny and huge meshes alike."""
    low, high = positions.min(axis=0), positions.max(axis=0)
    return (low + high) / 2, float((high - low).max()) or 1.0


def _rows(points: Float64) -> Float64:
    return np.ascontiguousarray(points, np.float64)
