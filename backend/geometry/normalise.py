"""Lengths of order one for the networks, and the similarity that brings the target over the source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.geometry.arrays import Float64
from backend.geometry.robust import geman_mcclure

ROBUST_STEPS = 12  # of iteratively reweighted fits; distances settle well before


def unit_length(positions: Float64) -> float:
    """Object-space length of one unit, in which ``positions`` [V, 3] fill a box of longest side 1 to 2.

    A power of two, so that scaling by it rounds nothing.
    """
    half = float(np.ptp(positions, axis=0).max()) / 2
    return float(2.0 ** np.ceil(np.log2(half))) if half > 0.0 else 1.0


@dataclass(frozen=True, eq=False)
class Similarity:
    """``x -> scale * rotation @ x + translation``."""

    rotation: Float64  # [3, 3], determinant +1
    scale: float
    translation: Float64  # [3]

    @staticmethod
    def identity() -> Similarity:
        return Similarity(np.eye(3), 1.0, np.zeros(3))

    def apply(self, points: Float64) -> Float64:
        """Moves points [N, 3]."""
        return np.asarray(self.scale * points @ self.rotation.T + self.translation)

    def inverse(self) -> Similarity:
        """The similarity that undoes this one."""
        back = self.rotation.T / self.scale
        return Similarity(self.rotation.T, 1.0 / self.scale, -back @ self.translation)


def similarity_alignment(
    source_points: Float64,  # [K, 3]
    target_points: Float64,  # [K, 3]
    weights: Float64 | None = None,  # [K], positive
) -> Similarity:
    """The similarity that takes target points onto their source points; never a reflection.

    Weighted least squares in closed form (Umeyama, PAMI 1991, eqs. 40-43), repeated with each pair's trust lowered
    by its distance (Geman-McClure weights on the median scale), so that a share of wrong pairs changes little.
    """
    trust = np.ones(len(source_points)) if weights is None else np.asarray(weights, np.float64)
    if not len(source_points):
        return Similarity.identity()
    fit = _least_squares(source_points, target_points, trust)
    size = float(np.linalg.norm(np.ptp(source_points, axis=0)))
    for _ in range(ROBUST_STEPS):
        distance = np.linalg.norm(fit.apply(target_points) - source_points, axis=1)
        typical = _weighted_median(distance, trust)
        if typical <= 1e-9 * size:
            near = distance <= 1e-6 * size
            return _least_squares(source_points[near], target_points[near], trust[near])
        # Poses differ by large smooth deformations, which are no outliers: only pairs beyond thrice the median fade.
        fit = _least_squares(source_points, target_points, trust * geman_mcclure(distance, 3.0 * typical))
    return fit


def _least_squares(source: Float64, target: Float64, weights: Float64) -> Similarity:
    """Umeyama's closed form."""
    share = weights / weights.sum()
    source_middle, target_middle = share @ source, share @ target
    a, b = source - source_middle, target - target_middle
    spread = float(share @ (b * b).sum(axis=1))
    if spread <= 0.0:
        return Similarity(np.eye(3), 1.0, source_middle - target_middle)
    u, values, vt = np.linalg.svd((a * share[:, None]).T @ b)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0])
    rotation = (u * signs) @ vt
    scale = float((values * signs).sum() / spread)
    scale = scale if scale > 0.0 else 1.0
    return Similarity(rotation, scale, source_middle - scale * rotation @ target_middle)


def _weighted_median(values: Float64, weights: Float64) -> float:
    order = np.argsort(values)
    reach = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(reach, reach[-1] / 2)]])
