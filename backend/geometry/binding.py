"""Points bound to the nearest place on a surface: they take on what is known at the vertices around it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from backend.geometry.distance import closest_on_surface

Float = NDArray[np.float64]


class Binding:
    """N points, each bound to its closest point on a triangle mesh."""

    def __init__(self, points: Float, positions: Float, triangles: NDArray[np.int64]) -> None:
        """``points`` [N, 3]; the mesh has ``positions`` [W, 3] and ``triangles`` [T, 3]."""
        self.distances, face, closest = closest_on_surface(points, positions, triangles)  # [N]
        corners = triangles[face]  # [N, 3]
        self._shares = barycentric(closest, positions[corners])  # [N, 3]
        # The vertices that matter, [B], and the corners by their place among them.
        self.vertices, places = np.unique(corners, return_inverse=True)
        self._corners = places.reshape(-1, 3)

    def interpolate(self, values: Float) -> Float:
        """Values [B, D] at ``vertices`` interpolated to the bound places [N, D]."""
        return np.asarray((values[self._corners] * self._shares[:, :, None]).sum(axis=1))


def barycentric(points: Float, corners: Float) -> Float:
    """Barycentric coordinates [N, 3] of points [N, 3] in triangles [N, 3 corners, 3]."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    normal = np.cross(b - a, c - a)
    square = np.maximum((normal * normal).sum(axis=1), 1e-300)
    second = (np.cross(points - a, c - a) * normal).sum(axis=1) / square
    third = (np.cross(b - a, points - a) * normal).sum(axis=1) / square
    shares = np.clip(np.stack([1.0 - second - third, second, third], axis=1), 0.0, 1.0)
    return np.asarray(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-300))
