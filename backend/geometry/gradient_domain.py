"""Deforming a triangle mesh through the gradients of its triangles, and the gradient-domain path between two poses.

Xu, Zhang, Wang, Bao: Poisson Shape Interpolation (2005); Sumner, Popović: Deformation Transfer (2004).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu
from scipy.spatial.transform import Rotation

from backend.geometry.triangles import area_vectors, areas, parts

Float = NDArray[np.float64]

# A triangle thinner than this (height over the mesh's mean edge) is widened in the reference, so that a degenerate
# triangle has a finite gradient.
THINNEST = 1e-4

ANCHOR = 1e-8  # weight that keeps the position of a mesh whose gradients alone are given

# Options of scipy's splu for symmetric positive definite matrices.
SYMMETRIC: Any = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}


class GradientDomain:
    """The gradient operator of a reference mesh and the factorised systems that invert it."""

    def __init__(self, positions: Float, triangles: NDArray[np.int64]) -> None:
        """``positions`` [W, 3] and ``triangles`` [T, 3] of the reference mesh."""
        self.positions = positions
        self.triangles = triangles
        self.areas, dual = _areas_and_duals(positions, triangles)  # [T], [T, 3, 3]
        n, m = len(positions), len(triangles)
        rows = np.broadcast_to(np.arange(3 * m).reshape(m, 1, 3), (m, 3, 3))
        columns = np.broadcast_to(triangles[:, :, None], (m, 3, 3))
        shape = (3 * m, n)
        self.gradient = sp.csr_matrix((dual.ravel(), (rows.ravel(), columns.ravel())), shape=shape)  # [3 T, W]
        self.divergence = (self.gradient.T @ sp.diags(np.repeat(self.areas, 3))).tocsr()  # [W, 3 T]
        self.laplacian = (self.divergence @ self.gradient).tocsc()  # [W, W], cotangent weights

    def gradients(self, positions: Float) -> Float:
        """Deformation gradients [T, 3, 3] of other positions [W, 3]; the normal direction is carried rigidly."""
        in_plane = (self.gradient @ positions).reshape(-1, 3, 3).transpose(0, 2, 1)  # d x / d X, rank 2
        before = _unit_normals(self.positions, self.triangles)
        after = _unit_normals(positions, self.triangles)
        return np.asarray(in_plane + after[:, :, None] * before[:, None, :])

    def system(self, weights: Float) -> Poisson:
        """The factorised system for ``sum_f A_f |grad x - M_f|^2 + sum_i weights_i |x_i - y_i|^2``."""
        return Poisson(self, weights)


class Poisson:
    """One factorisation of the Laplacian plus a diagonal; solves for any gradients and any goals."""

    def __init__(self, domain: GradientDomain, weights: Float) -> None:
        """``weights`` [W], >= 0, without unit (cotangents are of order 1); each component needs some."""
        self._domain = domain
        self._weights = weights
        matrix = (domain.laplacian + sp.diags(weights)).tocsc()
        self._factor = splu(matrix, **SYMMETRIC)

    def solve(self, gradients: Float, goals: Float) -> Float:
        """Positions [W, 3] for triangle gradients [T, 3, 3] and vertex goals [W, 3]."""
        stacked = gradients.transpose(0, 2, 1).reshape(-1, 3)
        right = self._domain.divergence @ stacked + self._weights[:, None] * goals
        return np.asarray(self._factor.solve(np.ascontiguousarray(right)))


class GradientDomainPath:
    """The path from the reference mesh to a pose of it: rotations and stretches of the triangles are interpolated.

    Rotations by their logarithm, stretches linearly, the mean of each component's vertices along a straight line.
    Exact at both ends.
    """

    def __init__(self, domain: GradientDomain, end: Float) -> None:
        """``end`` [W, 3]: positions at time 1."""
        self._domain = domain
        self._end = end
        rotations, self._stretches = polar(domain.gradients(end))
        self._logarithms = Rotation.from_matrix(rotations).as_rotvec()  # [T, 3]
        self._component = parts(len(end), domain.triangles)[1]  # [W]
        count = np.bincount(self._component)
        self._counts = np.where(count > 0, count, 1)[:, None]
        self._system = domain.system(np.full(len(end), ANCHOR))

    def positions(self, t: float) -> Float:
        """Positions [W, 3] at time ``t`` in 0..1."""
        start = self._domain.positions
        if t <= 0.0 or t >= 1.0:
            return start.copy() if t <= 0.0 else self._end.copy()
        turn = Rotation.from_rotvec(t * self._logarithms).as_matrix()
        stretch = (1.0 - t) * np.eye(3) + t * self._stretches
        straight = (1.0 - t) * start + t * self._end
        solved = self._system.solve(turn @ stretch, straight)
        shift = self._component_means(straight) - self._component_means(solved)
        return np.asarray(solved + shift[self._component])

    def _component_means(self, positions: Float) -> Float:
        sums = np.stack([np.bincount(self._component, positions[:, k], len(self._counts)) for k in range(3)], axis=1)
        return np.asarray(sums / self._counts)


def polar(gradients: Float) -> tuple[Float, Float]:
    """Polar decomposition J = R S of [T, 3, 3]: rotations (never reflections) and symmetric stretches."""
    u, s, vt = np.linalg.svd(gradients)
    sign = np.where(np.linalg.det(u) * np.linalg.det(vt) < 0.0, -1.0, 1.0)
    u[:, :, 2] *= sign[:, None]
    s[:, 2] *= sign
    return u @ vt, vt.transpose(0, 2, 1) @ (s[:, :, None] * vt)


def _areas_and_duals(positions: Float, triangles: NDArray[np.int64]) -> tuple[Float, Float]:
    """Areas [T] and, per triangle, the gradient [T, 3 corners, 3] of each corner's hat function."""
    a, b, c = (positions[triangles[:, k]] for k in range(3))
    edges = np.stack([c - b, a - c, b - a], axis=1)  # opposite each corner
    mean_edge = float(np.linalg.norm(edges, axis=2).mean())
    longest = np.linalg.norm(edges, axis=2).max(axis=1)
    least = THINNEST * mean_edge * np.maximum(longest, THINNEST * mean_edge)
    double = np.maximum(2.0 * areas(positions, triangles), least)
    unit = _unit_normals(positions, triangles)
    return double / 2.0, np.cross(unit[:, None, :], edges) / double[:, None, None]


def _unit_normals(positions: Float, triangles: NDArray[np.int64]) -> Float:
    normal = area_vectors(positions, triangles)
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return np.where(length > 0.0, normal / np.where(length > 0.0, length, 1.0), np.array([0.0, 0.0, 1.0]))
