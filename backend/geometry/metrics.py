"""What is measured of a morph: distances between surfaces, distortion of faces, areas, volumes, topology.

Lengths are in the unit of the positions given; ``backend.evaluation.evaluate`` divides by the source's diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from igl import predicates
from scipy.sparse import coo_matrix

from backend.geometry.arrays import Flags, Float64, Int64, Integers
from backend.geometry.distance import nearest_distances
from backend.geometry.edges import edges_of
from backend.geometry.triangles import SMALLEST_AREA, area_vectors, parts

LARGEST_COTANGENT = 1e3  # weights of needle triangles are cut here
LARGEST_QUASI_CONFORMAL = 1e3
LARGEST_LOG_AREA = float(np.log(1e6))
TINY = 1e-30


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances between two sets of surface points, both ways."""

    chamfer: float  # mean of the two mean nearest distances (not squared)
    hd95: float  # the larger of the two 95th percentiles
    hd_max: float  # Hausdorff distance of the samples


def surface_distances(a: Float64, b: Float64) -> SurfaceDistances:
    """Chamfer and Hausdorff distances between samples ``a`` [N, 3] and ``b`` [M, 3]."""
    there, back = nearest_distances(a, b)
    return SurfaceDistances(
        chamfer=float(there.mean() + back.mean()) / 2,
        hd95=float(max(np.quantile(there, 0.95), np.quantile(back, 0.95))),
        hd_max=float(max(there.max(), back.max())),
    )


@dataclass(frozen=True)
class Distortion:
    """How the faces of one frame differ from the reference."""

    conformal: float  # mean ratio of the singular values; 1: angles kept
    conformal_aw: float  # the same, weighted by the reference area
    conformal_p95: float
    area: float  # mean |ln(area ratio)|; 0: areas kept
    arap: float  # as-rigid-as-possible energy over the reference area; 0: rigid
    flipped: int  # faces folded over relative to the rotation around them


class DistortionMeter:
    """Measures frames of fixed topology against a reference mesh.

    Singular values come from the first fundamental forms of reference and frame; rotations around vertices are those
    of as-rigid-as-possible deformation (Sorkine and Alexa, SGP 2007, eq. 3) with cotangents cut at 0.
    """

    def __init__(self, positions: Float64, triangles: Integers, diagonal: float) -> None:
        self._triangles = np.asarray(triangles, np.int64)  # [T, 3]
        self._n = len(positions)
        self._normals = 2 * area_vectors(positions, self._triangles)  # [T, 3]
        self._areas = np.linalg.norm(self._normals, axis=1) / 2  # [T]
        self._sound: Flags = self._areas > SMALLEST_AREA * diagonal * diagonal
        self._form = _first_form(positions, self._triangles)  # [T, 3]
        self._starts, self._ends, self._weights = self._cotangents(positions)  # [E] each
        self._edges = positions[self._ends] - positions[self._starts]  # [E, 3]

    def measure(self, positions: Float64) -> Distortion:
        """The distortion of the frame with these ``positions`` [V, 3]."""
        sound = self._sound
        normals = 2 * area_vectors(positions, self._triangles)
        stretch = np.linalg.norm(normals, axis=1)[sound] / (2 * self._areas[sound])  # product of singular values
        ratio = self._singular_ratio(positions, stretch)
        share = self._areas[sound] / self._areas[sound].sum()
        rotations = self._rotations(positions)
        log_area = np.minimum(np.abs(np.log(np.maximum(stretch, TINY))), LARGEST_LOG_AREA)
        return Distortion(
            conformal=float(ratio.mean()),
            conformal_aw=float(ratio @ share),
            conformal_p95=float(np.quantile(ratio, 0.95)),
            area=float(log_area.mean()),
            arap=self._rigidity_energy(positions, rotations),
            flipped=self._flipped(normals, rotations),
        )

    def _singular_ratio(self, positions: Float64, stretch: Float64) -> Float64:
        """Larger over smaller singular value of every sound face."""
        e, f, g = self._form[self._sound].T
        e2, f2, g2 = _first_form(positions, self._triangles)[self._sound].T
        half_trace = (g * e2 - 2 * f * f2 + e * g2) / np.maximum(e * g - f * f, TINY**2) / 2
        gap = np.sqrt(np.maximum(half_trace**2 - stretch**2, 0.0))
        larger_squared = np.maximum(half_trace + gap, 0.0)
        return np.asarray(np.minimum(larger_squared / np.maximum(stretch, TINY), LARGEST_QUASI_CONFORMAL))

    def _cotangents(self, positions: Float64) -> tuple[Int64, Int64, Float64]:
        """Directed edges and half the sum of their opposite cotangents, each cut to 0 .. 1000."""
        rows, columns, weights = [], [], []
        for k in range(3):
            i, j, opposite = (self._triangles[:, (k + step) % 3] for step in range(3))
            a, b = positions[i] - positions[opposite], positions[j] - positions[opposite]
            cosine = np.einsum("ti,ti->t", a, b)
            weight = np.where(self._sound, np.maximum(cosine / np.maximum(2 * self._areas, TINY), 0.0) / 2, 0.0)
            weight = np.minimum(weight, LARGEST_COTANGENT)
            rows += [i, j]
            columns += [j, i]
            weights += [weight, weight]
        shape = (self._n, self._n)
        matrix = coo_matrix((np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape)
        matrix.sum_duplicates()
        return matrix.row.astype(np.int64), matrix.col.astype(np.int64), matrix.data

    def _rotations(self, positions: Float64) -> Float64:
        """Best rotation [V, 3, 3] of the edges around every vertex."""
        now = positions[self._ends] - positions[self._starts]
        spread = np.empty((self._n, 3, 3))
        for a in range(3):
            for b in range(3):
                spread[:, a, b] = np.bincount(self._starts, self._weights * now[:, a] * self._edges[:, b], self._n)
        u, _, vt = np.linalg.svd(spread)
        u[:, :, 2] *= np.where(np.linalg.det(u) * np.linalg.det(vt) < 0.0, -1.0, 1.0)[:, None]
        return np.asarray(u @ vt)

    def _rigidity_energy(self, positions: Float64, rotations: Float64) -> float:
        turned = np.einsum("eij,ej->ei", rotations[self._starts], self._edges)
        miss = positions[self._ends] - positions[self._starts] - turned
        return float(self._weights @ (miss**2).sum(axis=1) / self._areas.sum())

    def _flipped(self, normals: Float64, rotations: Float64) -> int:
        turned = np.einsum("tij,tj->ti", rotations[self._triangles].sum(axis=1), self._normals)
        against = np.einsum("ti,ti->t", normals, turned) < 0.0
        return int((against & self._sound).sum())


def _first_form(positions: Float64, triangles: Int64) -> Float64:
    """E, F, G of every triangle [T, 3]: squared lengths and product of its two edges from the first corner."""
    a = positions[triangles[:, 1]] - positions[triangles[:, 0]]
    b = positions[triangles[:, 2]] - positions[triangles[:, 0]]
    return np.stack([(a * a).sum(axis=1), (a * b).sum(axis=1), (b * b).sum(axis=1)], axis=1)


@dataclass(frozen=True)
class Drift:
    """How a quantity that should change evenly from the first to the last frame strays from that."""

    std: float  # of the ratio to the even change, over the frames
    max_dev: float  # largest deviation of the ratio from 1


def drift(values: Float64, times: Float64) -> Drift:
    """Drift of ``values`` [T] at ``times`` [T] in 0..1; NaN where the even change passes through 0 (a flat shape)."""
    even = (1 - times) * values[0] + times * values[-1]
    if not even.all():
        return Drift(std=float("nan"), max_dev=float("nan"))
    ratio = values / even
    return Drift(std=float(ratio.std()), max_dev=float(np.abs(ratio - 1).max()))


def topology(n_vertices: int, triangles: Integers) -> dict[str, Any]:
    """Counts, whether the surface is closed, its connected parts, and its genus when it is closed."""
    if not len(triangles):
        return {"vertices": n_vertices, "faces": 0, "closed": False, "components": 0, "genus": None}
    edges = edges_of(triangles)
    used = np.unique(triangles)
    _, label = parts(n_vertices, triangles)
    components = len(np.unique(label[used]))
    genus = components - (len(used) - len(edges.ends) + len(triangles)) / 2 if edges.closed else None
    return {
        "vertices": n_vertices,
        "faces": len(triangles),
        "closed": edges.closed,
        "components": components,
        "genus": genus,
    }


def self_intersecting_faces(positions: Float64, triangles: Integers) -> int:
    """Faces that take part in an intersection of two triangles, by exact predicates."""
    pairs = predicates.find_self_intersections(
        np.ascontiguousarray(positions, np.float64), np.ascontiguousarray(triangles, np.int64), False
    )[1]
    return len(np.unique(pairs))


def p_rmse(frames: Float64, truth: Float64) -> float:
    """Root of the mean squared vertex distance over frames and vertices [T, V, 3] (P-RMSE of 4Deform, CVPR 2025)."""
    return float(np.sqrt(((frames - truth) ** 2).sum(axis=2).mean()))


def sa_sigma(areas: Float64) -> float:
    """Standard deviation of the total area over frames [T], as a share of the first (SA-sigma of 4Deform)."""
    return float(areas.std() / areas[0])
