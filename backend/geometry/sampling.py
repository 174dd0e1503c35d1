"""Random points on a surface."""

from __future__ import annotations

import numpy as np

from backend.geometry.arrays import Float64, Int64, Integers
from backend.geometry.triangles import areas


def sample_surface(
    positions: Float64,  # [W, 3]
    triangles: Integers,  # [T, 3]
    n: int,
    rng: np.random.Generator,
) -> tuple[Float64, Int64, Float64]:
    """``n`` points uniform by area: points [n, 3], their triangles [n] and barycentric coordinates [n, 3]."""
    return SurfaceSampler(positions, triangles)(n, rng)


class SurfaceSampler:
    """``sample_surface`` of one surface, many times."""

    def __init__(self, positions: Float64, triangles: Integers) -> None:
        self._positions, self._triangles = positions, triangles
        self._reach = np.cumsum(areas(positions, triangles))
        self._total = float(self._reach[-1]) if len(self._reach) else 0.0
        if not np.isfinite(self._total) or self._total <= 0.0:
            raise ValueError("the surface has no finite area to sample")

    def __call__(self, n: int, rng: np.random.Generator) -> tuple[Float64, Int64, Float64]:
        faces = np.searchsorted(self._reach, rng.random(n) * self._total, side="right")
        faces = np.minimum(faces, len(self._reach) - 1).astype(np.int64)
        u, v = rng.random((2, n))
        outside = u + v > 1.0
        u, v = np.where(outside, 1.0 - u, u), np.where(outside, 1.0 - v, v)
        barycentric = np.stack([1.0 - u - v, u, v], axis=1)
        return interpolate(self._positions, self._triangles, faces, barycentric), faces, barycentric


def sample_segments(
    positions: Float64,  # [W, D]
    segments: Integers,  # [S, 2]
    n: int,
    rng: np.random.Generator,
) -> tuple[Float64, Int64]:
    """``n`` points uniform by length: points [n, D] and their segments [n]."""
    start = positions[segments[:, 0]]
    along = positions[segments[:, 1]] - start
    reach = np.cumsum(np.linalg.norm(along, axis=1))
    chosen = np.searchsorted(reach, rng.random(n) * reach[-1], side="right")
    chosen = np.minimum(chosen, len(reach) - 1).astype(np.int64)
    return start[chosen] + rng.random((n, 1)) * along[chosen], chosen


def interpolate(
    values: Float64,  # [W, ...]
    triangles: Integers,  # [T, 3]
    faces: Integers,  # [n]
    barycentric: Float64,  # [n, 3]
) -> Float64:
    """Values of the vertices at surface points [n, ...]."""
    corners = values[triangles[faces]]  # [n, 3, ...]
    return np.asarray(np.einsum("nk,nk...->n...", barycentric, corners))


def some_of(count: int, most: int, seed: int = 0) -> Int64:
    """At most ``most`` of the numbers below ``count``, at random, in order."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:most]) if count > most else np.arange(count)


def farthest_points(points: Float64, n: int) -> Int64:
    """Indices [min(n, N)] of points [N, 3], each the farthest from those before; the first is far from the mean."""
    chosen = [int(np.linalg.norm(points - points.mean(axis=0), axis=1).argmax())]
    distance = np.linalg.norm(points - points[chosen[0]], axis=1)
    while len(chosen) < min(n, len(points)):
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return np.array(chosen, np.int64)
