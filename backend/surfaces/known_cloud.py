"""``KnownCloud``: what the points of a cloud say of the distance to the surface that they were taken from."""

from __future__ import annotations

from copy import copy

import igl
import numpy as np
from scipy.spatial import cKDTree

from backend.geometry.arrays import Float64
from backend.geometry.orientation import oriented_normals, spacing, thinned
from backend.geometry.sampling import some_of
from backend.surfaces.known_shape import KnownShape
from backend.training.run import Run
from protocol.mesh import MeshError

SEEN = 4  # nearest points whose discs are looked at
MOST = 10_000  # points whose discs give the winding number
BLUR = 1.0  # distances between them
LOOKS = 4000  # points at which the two sides are compared
DEEP = 2.0  # spacings: as far to either side of a point the winding numbers are compared
INSIDE = 0.6  # winding number behind a point that has an inside there; of a plane it is 0.5
SOLID = 0.5  # share of the points that must have an inside behind them, and none before
BATCH = 50_000  # points times questions at once, in the plane: as many as a processor's cache holds
TINY = 1e-30


class KnownCloud(KnownShape):
    """Points [N, D] in the unit frame, with normals [N, D] or without.

    Every point stands for a disc (D = 2: a piece of a line) as large as the points are apart, across its normal. The
    distance is that to the nearest disc. The sign is that of the winding number of all discs (Barill et al., SIGGRAPH
    2018), whose jump across the surface is scaled to 1. Between -1 and 1 it multiplies the distance, so that this falls
    to 0 where a hole is closed.
    """

    exact = False

    def __init__(self, points: Float64, normals: Float64 | None, run: Run) -> None:
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
        self._discs = _Discs(points, self.normals)
        behind, before = self._beside(-1.0), self._beside(1.0)
        if float(np.median(behind + before)) < 0.0:
            self.normals, behind, before = -self.normals, -before, -behind
            self._discs = _Discs(points, self.normals)
            self.said = (*self.said, "the normals of the cloud point inwards; they are taken the other way round")
        self._jump = max(float(np.median(behind - before)), TINY)
        solid = (behind > INSIDE * self._jump) & (before < (1.0 - INSIDE) * self._jump)
        self.signed = float(solid.mean()) >= SOLID
        if not self.signed:
            self.said = (*self.said, "the cloud bounds nothing (it is a sheet, or all but open), so it has no inside")

    def on_surface(self, count: int, rng: np.random.Generator) -> tuple[Float64, Float64 | None]:
        share = self._areas / self._areas.sum()  # where points are dense, each stands for less
        rows = rng.choice(len(self.points), count, p=share)
        return self.points[rows], self.normals[rows] if self.signed else None

    def distances(self, points: Float64) -> Float64:
        distance, height = self._to_discs(points)
        if not self.signed:
            return distance
        side = np.clip(1.0 - 2.0 * self._discs.winding(points) / self._jump, -1.0, 1.0)
        close = distance < self._discs.blurred  # there the nearest disc knows better
        return np.asarray(distance * np.where(close, np.where(height < 0.0, -1.0, 1.0), side))

    def without_inside(self) -> KnownCloud:
        if not self.signed:
            return self
        bare = copy(self)
        bare.signed, bare.said = False, ()
        return bare

    def _to_discs(self, points: Float64) -> tuple[Float64, Float64]:
        """Distance from points [M, D] to the nearest disc, and the height above it, each [M]."""
        if not len(points):
            return np.zeros(0), np.zeros(0)
        _, near = self._tree.query(points, k=min(SEEN, len(self.points)))
        near = near.reshape(len(points), -1)
        away = points[:, None] - self.points[near]  # [M, K, D]
        height = np.einsum("mkd,mkd->mk", away, self.normals[near])
        aside = np.sqrt(np.maximum((away**2).sum(axis=2) - height**2, 0.0))
        distance = np.hypot(height, np.maximum(aside - self._reach[near], 0.0))
        rows, nearest = np.arange(len(points)), distance.argmin(axis=1)
        return distance[rows, nearest], height[rows, nearest]

    def _beside(self, side: float) -> Float64:
        few = some_of(len(self.points), LOOKS)
        step = side * DEEP * np.maximum(self.spacing[few], self._discs.blurred)
        return self._discs.winding(self.points[few] + step[:, None] * self.normals[few])


class _Discs:
    """Winding numbers of a thinned cloud's discs, their areas those of the gaps they fill."""

    def __init__(self, points: Float64, normals: Float64) -> None:
        few = thinned(points, MOST)
        apart = spacing(points[few])
        self.blurred = BLUR * float(np.median(apart))  # nearer to the surface than this they are single discs
        self._points, self._normals = np.ascontiguousarray(points[few]), np.ascontiguousarray(normals[few])
        self._areas = apart ** (points.shape[1] - 1)
        if points.shape[1] == 3:
            places, children = igl.octree(self._points)[:2]
            discs = self._points, self._normals, self._areas
            self._octree = *discs, places, children, *igl.fast_winding_number_precompute(*discs, places, children)

    def winding(self, points: Float64) -> Float64:
        """The winding number [M] around points [M, D]."""
        if not len(points):
            return np.zeros(0)
        if points.shape[1] == 3:
            return np.asarray(igl.fast_winding_number(*self._octree, np.ascontiguousarray(points)))
        step = max(BATCH // len(self._points), 1)
        return np.concatenate([self._in_plane(points[k : k + step]) for k in range(0, len(points), step)])

    def _in_plane(self, points: Float64) -> Float64:
        right, up = self._points.T[:, None] - points.T[:, :, None]  # [M, N] each
        near = 1.0 / np.maximum(right * right + up * up, TINY)
        flux = self._normals * self._areas[:, None]
        return np.asarray(((right * near) @ flux[:, 0] + (up * near) @ flux[:, 1]) / (2.0 * np.pi))


def _checked(normals: Float64) -> Float64:
    """The normals made 1 long."""
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    if not (np.isfinite(normals).all() and (length > 0.0).all()):
        bad = int(np.flatnonzero(~(np.isfinite(length) & (length > 0.0))[:, 0])[0])
        raise MeshError(f"the normal of point {bad} has no direction; leave the normals out, or export them again")
    return np.asarray(normals / length)
