"""Even samples of a level: points that push each other apart along the surface and are put back onto it.

As in the code of Coiffier and Bethune, SGP 2024 (project, push the 10 nearest apart, project), which starts on a sphere
around the shape, pushes by exp(-d^2 / 0.2) whatever the spacing, and along the normal, too. Here the start is uniform
on every part of the level, the push is as wide as the spacing, and it stays in the tangent plane.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from backend.geometry.arrays import Flags, Float64
from backend.geometry.sampling import sample_surface
from backend.geometry.triangles import unit
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.queries.contour import contours
from backend.surfaces.queries.isosurface import isosurface
from backend.surfaces.queries.lattice import Check
from protocol.settings import SettingError

MOST = 2_000_000  # points
CELLS = {2: 256, 3: 64}  # of the level that points start on, along the longest side
NEIGHBOURS = {2: 4, 3: 10}
ROUNDS = 30
PUSH = (1.0, 0.1)  # of the spacing, in the first and the last round
WIDTH = 0.7  # of the spacing: how far a push reaches
STEPS = 12  # of Newton's method, at most
CLOSE = 1e-5  # of the diagonal: as near to the level as a sample is
LEAST_SLOPE = 0.1  # gradients that are shorter lead nowhere


def iso_samples(
    field: DistanceField, level: float, count: int, *, seed: int = 0, check: Check | None = None
) -> tuple[Float64, Float64]:
    """``count`` points [N, D] where the field is ``level`` (object-space length), evenly spread, and unit normals.

    Both are empty where the field is ``level`` nowhere.
    """
    if not 1 <= count <= MOST:
        raise SettingError(f"{count} points: choose a number from 1 to {MOST}")
    rng = np.random.default_rng(seed)
    points = _start(field, level, count, rng, check)
    for number in range(ROUNDS if len(points) > 1 else 0):
        if check is not None:
            check()
        share = number / (ROUNDS - 1)
        pushed = points + _push(field, points, PUSH[0] + share * (PUSH[1] - PUSH[0]))
        pushed, arrived = project(field, pushed, level)
        points = np.where(arrived[:, None], pushed, points)
    return points, _normals(field, points)


def project(field: DistanceField, points: Float64, level: float) -> tuple[Float64, Flags]:
    """Points [N, D] moved along the gradient until the field is ``level`` there, and which of them [N] arrived."""
    arrived = np.zeros(len(points), bool)
    points = points.copy()
    for _ in range(STEPS):
        left = np.flatnonzero(~arrived)
        if not len(left):
            break
        values, gradients = field.values_and_gradients(points[left])
        off = values - level
        arrived[left] = np.abs(off) < CLOSE * field.diagonal
        squared = np.maximum((gradients**2).sum(axis=1), LEAST_SLOPE**2)
        moving = ~arrived[left]
        points[left[moving]] -= (off / squared)[moving, None] * gradients[moving]
    return points, arrived


def _start(field: DistanceField, level: float, count: int, rng: np.random.Generator, check: Check | None) -> Float64:
    """Points [count, D] of the level: uniform by area, or at equal steps along its curves; none where there is none."""
    if field.dimension == 3:
        positions, triangles = isosurface(field, level, CELLS[3], check=check)
        if not len(triangles):
            return np.zeros((0, 3))
        start = sample_surface(positions, triangles, count, rng)[0]
    else:
        loops = contours(field, level, CELLS[2], check=check)
        if not loops:
            return np.zeros((0, 2))
        first = np.concatenate([loop[:-1] for loop in loops])
        step = np.concatenate([np.diff(loop, axis=0) for loop in loops])
        length = np.linalg.norm(step, axis=1)
        ends = np.cumsum(length)
        place = (np.arange(count) + rng.random()) * ends[-1] / count
        row = np.minimum(np.searchsorted(ends, place, side="right"), len(ends) - 1)
        start = first[row] + ((place - ends[row]) / length[row] + 1.0)[:, None] * step[row]
    points, arrived = project(field, start, level)
    if not arrived.any():
        return points[:0]
    lost = np.flatnonzero(~arrived)
    points[lost] = points[rng.choice(np.flatnonzero(arrived), len(lost))]  # they are pushed away from there
    return points


def _push(field: DistanceField, points: Float64, strength: float) -> Float64:
    """How the nearest neighbours push every point along the surface [N, D]; ``strength``: of the spacing."""
    k = min(NEIGHBOURS[field.dimension], len(points) - 1)
    distance, near = cKDTree(points).query(points, k + 1)
    spacing = float(np.median(distance[:, 1:3].mean(axis=1))) or field.diagonal
    away = points[:, None] - points[near[:, 1:]]  # [N, k, D]
    away = np.where(distance[:, 1:, None] > 0.0, away, _apart(away.shape))
    length = np.linalg.norm(away, axis=2, keepdims=True)
    weight = np.exp(-((length / (WIDTH * spacing)) ** 2) / 2)
    push = (weight * away / length).sum(axis=1)
    normals = _normals(field, points)
    push -= (push * normals).sum(axis=1, keepdims=True) * normals
    size = np.linalg.norm(push, axis=1, keepdims=True)
    return np.asarray(strength * spacing * push / np.maximum(size, 1.0))


def _apart(shape: tuple[int, ...]) -> Float64:
    """Directions for points at the same place."""
    return np.random.default_rng(0).normal(size=shape)


def _normals(field: DistanceField, points: Float64) -> Float64:
    """Unit normals [N, D] towards higher values."""
    gradients = field.values_and_gradients(points)[1] if len(points) else np.zeros_like(points)
    return unit(gradients)
