"""Eigenfunctions of the Laplace-Beltrami operator: the slow waves of a surface, which do not change when it bends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import robust_laplacian
from scipy.linalg import eigh
from scipy.sparse import diags_array
from scipy.sparse.linalg import eigsh

from backend.geometry.arrays import Float64, Int64, Integers
from backend.geometry.triangles import areas

DENSE = 400  # vertices up to which all eigenfunctions are found at once
SHIFT = -1e-2  # where they are looked for: a little below the first, so that the matrix can be factorised
LEAST_MASS = 1e-9  # of the mean: vertices of faces without area have none of their own


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The first ``K`` eigenfunctions of a surface, scaled to an area of 1 around 0."""

    positions: Float64  # [V, 3]
    triangles: Int64  # [T, 3]
    masses: Float64  # [V], sum 1
    values: Float64  # [K], rising; the first is 0
    functions: Float64  # [V, K], orthonormal under the masses

    @property
    def count(self) -> int:
        return len(self.values)

    def coefficients(self, values: Float64) -> Float64:
        """Coefficients [K, Q] of functions [V, Q]."""
        return np.asarray(self.functions.T @ (self.masses[:, None] * values))


def spectrum_of(positions: Float64, triangles: Integers, count: int) -> Spectrum:
    """The first ``count`` eigenfunctions of a surface, fewer if it has fewer vertices.

    The operator is that of the tufted intrinsic Delaunay triangulation (Sharp and Crane, *A Laplacian for Nonmanifold
    Triangle Meshes*, SGP 2020), which needs neither a manifold nor good triangles.
    """
    faces = np.ascontiguousarray(triangles, np.int64)
    size = float(np.sqrt(areas(positions, faces).sum()))
    scaled = np.ascontiguousarray((positions - positions[faces].mean(axis=(0, 1))) / size, np.float64)
    stiffness, mass = robust_laplacian.mesh_laplacian(scaled, faces)
    masses = mass.diagonal()
    masses = np.maximum(masses, LEAST_MASS * masses.mean())
    masses = masses / masses.sum()
    count = min(count, len(scaled))
    if len(scaled) <= max(DENSE, count + 1):
        values, functions = eigh(stiffness.toarray(), np.diag(masses), subset_by_index=(0, count - 1))
    else:
        start = np.random.default_rng(0).standard_normal(len(scaled))
        values, functions = eigsh(stiffness, count, diags_array(masses).tocsc(), sigma=SHIFT, v0=start)
    order = np.argsort(values)
    return Spectrum(scaled, faces, masses, np.maximum(values[order], 0.0), np.ascontiguousarray(functions[:, order]))
