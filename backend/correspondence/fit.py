"""Local-global steps of a smoothness energy: a mesh bends towards goals, and its triangles do as those around them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from backend.geometry.arrays import Float64, Int64
from backend.geometry.gradient_domain import GradientDomain, polar

LONE_WEIGHT = 1e-6  # keeps a component without any goal where it is
SCALES = (0.5, 2.0)  # of a similarity, at most


class Fit:
    """Bends a rest pose; ``similar`` in 0..1 is how far triangles only turn and grow instead of shearing."""

    def __init__(self, rest: Float64, triangles: Int64, similar: float = 0.0) -> None:
        """``rest`` [W, 3] and ``triangles`` [T, 3] of the mesh."""
        self._domain = GradientDomain(rest, triangles)
        self._similar = similar
        n, m = len(rest), len(triangles)
        area = np.bincount(triangles.ravel(), np.repeat(self._domain.areas, 3) / 3, n)
        # Averages triangle values over the ring of triangles around each: faces -> vertices -> faces.
        incidence = sp.csr_matrix((np.ones(3 * m), (np.repeat(np.arange(m), 3), triangles.ravel())), shape=(m, n))
        gather = sp.diags(1.0 / np.maximum(area, 1e-300) / 3) @ incidence.T @ sp.diags(self._domain.areas)
        self._smooth = (incidence @ gather / 3.0).tocsr()

    def roughness(self, pose: Float64) -> float:
        """How much the deformation of the triangles differs from that of their neighbours."""
        gradients = self._domain.gradients(pose).reshape(-1, 9)
        return float(np.average(np.abs(gradients - self._smooth @ gradients).sum(axis=1), weights=self._domain.areas))

    def solve(self, pose: Float64, goals: Float64, weights: Float64, rounds: int) -> Float64:
        """``rounds`` local-global steps for vertex goals [W, 3] with ``weights`` [W] relative to the smoothness."""
        anchors = np.where((weights > 0)[:, None], goals, pose)
        system = self._domain.system(weights + LONE_WEIGHT)
        for _ in range(rounds):
            gradients = (self._smooth @ self._domain.gradients(pose).reshape(-1, 9)).reshape(-1, 3, 3)
            pose = system.solve(self._towards_similar(gradients), anchors)
        return pose

    def _towards_similar(self, gradients: Float64) -> Float64:
        if not self._similar:
            return gradients
        turns, stretches = polar(gradients)
        scales = np.clip(np.cbrt(np.maximum(np.linalg.det(stretches), 0.0)), *SCALES)[:, None, None]
        return np.asarray((1.0 - self._similar) * gradients + self._similar * scales * turns)
