"""Lengths of order one for the networks, and the similarity that brings the target over the source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from backend.geometry.arrays import Float64, Integers

ROBUST_STEPS = 12  # of iteratively reweighted fits; distances settle well before


@dataclass(frozen=True, eq=False)
class UnitBox:
    """Takes object space to a box of longest side 2 around 0, and back.

    The scale is a power of two, so that only the subtraction of the origin rounds.
    """

    origin: Float64  # [3], object space
    scale: float  # object-space units per unit

    @staticmethod
    def of(positions: Float64, triangles: Integers | None = None) -> UnitBox:
        """The box of ``positions`` [V, 3]; of those that faces use when ``triangles`` are given."""
        used = positions if triangles is None else positions[np.unique(triangles)]
        low, high = used.min(axis=0), used.max(axis=0)
        half = float((high - low).max()) / 2
        return UnitBox((low + high) / 2, 2.0 ** np.ceil(np.log2(half)) if half > 0.0 else 1.0)

    def apply(self, points: Float64) -> Float64:
        """Object space to unit space [N, 3]."""
        return np.asarray((points - self.origin) / self.scale)

    def inverse(self, points: Float64) -> Float64:
        """Unit space to object space [N, 3]."""
        return np.asarray(points * self.scale + self.origin)


@dataclass(frozen=True, eq=False)
class Similarity:
    """``x -> scale * rotation @ x + translation``."""

    rotation: Float64  # [3, 3], determinant +1
    scale: float
    translation: Float64  # [3]

    @staticmethod
    def identity() -> Similarity:
        return Similarity(np.eye(3), 1.0, np.zeros(3))

    @property
    def angle(self) -> float:
        """Angle of the rotation in degrees."""
        return float(np.degrees(np.arccos(np.clip((np.trace(self.rotation) - 1) / 2, -1.0, 1.0))))

    def apply(self, points: Float64) -> Float64:
        """Moves points [N, 3]."""
        return np.asarray(self.scale * points @ self.rotation.T + self.translation)

    def inverse(self, points: Float64) -> Float64:
        """Moves points [N, 3] back."""
        return np.asarray((points - self.translation) @ self.rotation / self.scale)


def similarity_alignment(
    source_points: Float64,  # [K, 3]
    target_points: Float64,  # [K, 3]
    weights: Float64 | None = None,  # [K], positive
    with_scale: bool = True,
) -> Similarity:
    """The similarity that takes target points onto their source points; never a reflection.

    Weighted least squares in closed form (Umeyama, PAMI 1991, eqs. 40-43), repeated with each pair's trust lowered
    by its distance (Geman-McClure weights on the median scale), so that a share of wrong pairs changes little.
    """
    trust = np.ones(len(source_points)) if weights is None else np.asarray(weights, np.float64)
    if not len(source_points):
        return Similarity.identity()
    fit = _least_squares(source_points, target_points, trust, with_scale)
    size = float(np.linalg.norm(np.ptp(source_points, axis=0)))
    for _ in range(ROBUST_STEPS):
        distance = np.linalg.norm(fit.apply(target_points) - source_points, axis=1)
        typical = _weighted_median(distance, trust)
        if typical <= 1e-9 * size:
            near = distance <= 1e-6 * size
            return _least_squares(source_points[near], target_points[near], trust[near], with_scale)
        # Poses differ by large smooth deformations, which are no outliers: only pairs beyond thrice the median fade.
        fit = _least_squares(
            source_points, target_points, trust / (1.0 + (distance / (3.0 * typical)) ** 2) ** 2, with_scale
        )
    return fit


def _least_squares(source: Float64, target: Float64, weights: Float64, with_scale: bool) -> Similarity:
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
    scale = float((values * signs).sum() / spread) if with_scale else 1.0
    scale = scale if scale > 0.0 else 1.0
    return Similarity(rotation, scale, source_middle - scale * rotation @ target_middle)


def _weighted_median(values: Float64, weights: Float64) -> float:
    order = np.argsort(values)
    reach = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(reach, reach[-1] / 2)]])
