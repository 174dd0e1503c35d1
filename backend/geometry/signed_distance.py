"""Distances to a surface with a sign: negative inside, by the generalised winding number."""

from __future__ import annotations

import igl
import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.distance import closest_on_surface

INSIDE = 0.5  # winding number from where a point is inside


def winding_numbers(points: Float64, positions: Float64, triangles: Int64) -> Float64:
    """Generalised winding number [N] of the surface around each point [N, 3] (Jacobson et al., SIGGRAPH 2013)."""
    middle = (positions.min(axis=0) + positions.max(axis=0)) / 2
    size = float(np.ptp(positions, axis=0).max()) or 1.0
    return np.asarray(
        igl.fast_winding_number(
            np.ascontiguousarray((positions - middle) / size),
            np.ascontiguousarray(triangles, np.int64),
            np.ascontiguousarray((points - middle) / size),
        )
    ).reshape(-1)


def signed_distance(points: Float64, positions: Float64, triangles: Int64) -> Float64:
    """Distance [N] of every point [N, 3] to the surface, negative inside. Open surfaces are closed by their winding."""
    distance, _, _ = closest_on_surface(points, positions, triangles)
    inside = winding_numbers(points, positions, triangles) > INSIDE
    return np.where(inside, -distance, distance)
