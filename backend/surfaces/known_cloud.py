"""``KnownCloud``: what the points of a cloud say of the distance to the surface that they were taken from."""

from __future__ import annotations

import igl
import numpy as np
from scipy.spatial import cKDTree

from backend.geometry.arrays import Float64
from backend.geometry.orientation import oriented_normals, spacing
from backend.surfaces.known_shape import KnownShape
from backend.training.run import Run
from protocol.mesh import MeshError

SEEN = 4  # nearest points whose discs are looked at
DEEP = 2.0  # spacings: as far to either side of a point the winding numbers are compared
INSIDE = 0.5  # winding number from where a point is inside
SOLID = 0.5  # share of the points that must have an inside behind them, and none before
BATCH = 4_000_000  # points times questions at once, in the plane
TINY = 1e-30


class KnownCloud(KnownShape):
    """Points [N, D] in the unit frame, with normals [N, D] or without.

    Every point stands for a disc (D = 2: a piece of a line) as large as the points are apart, across its normal. The
    distance is that to the nearest disc. The sign is that of the winding number of all discs (Barill et al., SIGGRAPH
    2018), whose jump across the surface is scaled to 1. Between -1 and 1 it multiplies the distance, so that this falls
    to 0 where a hole is closed.
    """

    exact = False

    def __init__(self, points: Float64, normals: Float64 | None, run: Run, *, inside: bool = True) -> None:
        self.dimension = points.shape[1]
        self.points = points
        self.spacing = spacing(points)  # [N]
        self.said: tuple[str, ...] = ()
        self._tree = cKDTree(points)
        self._reach = self.spacing / 2 if self.dimension == 2 else self.spacing / np.sqrt(np.pi)
        self._areas = self.spacing ** (self.dimension - 1)
        self.estimated = normals is None
        if normals is None:
            with run.phase("orienting"):
                normals = oriented_normals(points)
            self.said = ("the cloud has no normals; what is inside was found from the points alone",)
        self.normals = _checked(normals)
        behind, before = self._beside(-1.0), self._beside(1.0)
        if float(np.median(behind + before)) < 0.0:
            self.normals, behind, before = -self.normals, -before, -behind
            self.said = (*self.said, "the normals of the cloud point inwards; they are taken the other way round")
        self._jump = max(float(np.median(behind - before)), TINY)
        solid = (behind > INSIDE * self._jump) & (before < INSIDE * self._jump)
        self.signed = inside and float(solid.mean()) >= SOLID
        if inside and not self.signed:
            self.said = (*self.said, "the cloud bounds nothing (it is a sheet, or all but open), so it has no inside")

    def on_surface(self, count: int, rng: np.random.Generator) -> tuple[Float64, Float64 | None]:
        share = self._areas / self._areas.sum()  # where points are dense, each stands for less
        rows = rng.choice(len(self.points), count, p=share)
        return self.points[rows], self.normals[rows] if self.signed else None

    def distances(self, points: Float64) -> Float64:
        distance = self._to_discs(points)
        if not self.signed:
            return distance
        return np.asarray(distance * np.clip(1.0 - 2.0 * self._around(points) / self._jump, -1.0, 1.0))

    def without_inside(self) -> KnownCloud:
        if not self.signed:
            return self
        return KnownCloud(self.points, self.normals, Run(), inside=False)

    def _to_discs(self, points: Float64) -> Float64:
        """Distance [M] from points [M, D] to the nearest disc."""
        if not len(points):
            return np.zeros(0)
        _, near = self._tree.query(points, k=min(SEEN, len(self.points)))
        near = near.reshape(len(points), -1)
        away = points[:, None] - self.points[near]  # [M, K, D]
        height = np.einsum("mkd,mkd->mk", away, self.normals[near])
        aside = np.linalg.norm(away - height[..., None] * self.normals[near], axis=2)
        beyond = np.maximum(aside - self._reach[near], 0.0)
        return np.asarray(np.hypot(height, beyond).min(axis=1))

    def _beside(self, side: float) -> Float64:
        return self._around(self.points + side * DEEP * self.spacing[:, None] * self.normals)

    def _around(self, points: Float64) -> Float64:
        """Winding number [M] of the discs around points [M, D]."""
        if not len(points):
            return np.zeros(0)
        if self.dimension == 3:
            arrays = (self.points, self.normals, self._areas, points)
            return np.asarray(igl.fast_winding_number(*(np.ascontiguousarray(a, np.float64) for a in arrays)))
        step = max(BATCH // len(self.points), 1)
        return np.concatenate([self._around_in_plane(points[k : k + step]) for k in range(0, len(points), step)])

    def _around_in_plane(self, points: Float64) -> Float64:
        away = self.points[None] - points[:, None]  # [M, N, 2]
        flux = np.einsum("mnd,nd->mn", away, self.normals * self._areas[:, None])
        return np.asarray((flux / np.maximum((away**2).sum(axis=2), TINY)).sum(axis=1) / (2.0 * np.pi))


def _checked(normals: Float64) -> Float64:
    """The normals made 1 long."""
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    if not (np.isfinite(normals).all() and (length > 0.0).all()):
        bad = int(np.flatnonzero(~(np.isfinite(length) & (length > 0.0))[:, 0])[0])
        raise MeshError(f"the normal of point {bad} has no direction; leave the normals out, or export them again")
    return np.asarray(normals / length)
