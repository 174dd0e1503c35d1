"""Fields where their networks were never trained: continued from the cube in which they were."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backend.geometry.arrays import Flags, Float64

KNOWN = 1.2  # half the side of the cube, unit frame
Asked = tuple[Float64, Float64]  # values [N] and gradients [N, D]


def is_beyond(points: Float64) -> Flags:
    """Which of points [N, D], unit frame, lie outside the cube."""
    return np.asarray((np.abs(points) > KNOWN).any(axis=1))


def continued(ask: Callable[[Float64], Asked], points: Float64, bounded: bool) -> Asked:
    """Value and gradient at points [N, D] outside the cube; ``ask`` gives those of the network.

    With c the nearest point of the cube, the shape's nearest point to c is about p = c - f(c) grad f(c) / |grad f(c)|,
    and f(x) = |x - p|. For a bounded network that would give up its bound; it is the greater one of f(x) as it is and
    sqrt(f(c)^2 + |x - c|^2), which are both 1-Lipschitz and no more than the distance.
    """
    nearest = np.clip(points, -KNOWN, KNOWN)
    value, gradient = ask(nearest)
    value = np.maximum(value, 0.0)
    if not bounded:
        direction = gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-12)
        away = points - nearest + value[:, None] * direction
        length = np.linalg.norm(away, axis=1)
        return length, away / np.maximum(length, 1e-12)[:, None]
    beyond = points - nearest
    least = np.hypot(value, np.linalg.norm(beyond, axis=1))
    along = np.where(beyond == 0.0, gradient, 0.0)  # c moves along the cube's side only
    slope = (value[:, None] * along + beyond) / least[:, None]
    own, own_slope = ask(points)
    greater = own > least
    return np.where(greater, own, least), np.where(greater[:, None], own_slope, slope)
