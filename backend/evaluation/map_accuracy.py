"""How far a match is from the truth, along the target's surface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.geometry.arrays import Float64, Integers
from backend.geometry.distance import closest_on_surface
from backend.geometry.geodesics import Geodesics
from backend.geometry.repair import working_mesh
from backend.geometry.sampling import some_of
from backend.geometry.triangles import areas
from protocol.mesh import MeshData

PAIRS = 400  # measured, at most
CHUNK = 50  # of them at once
WRONG = 0.1  # square roots of the target's area: an error from which a vertex is on another part of the shape
DOUBTED = 0.2  # share of the vertices, those of the lowest confidence, among which the wrong ones should be


@dataclass(frozen=True)
class MapAccuracy:
    """Errors are geodesic distances in square roots of the target's area, of the vertices with a counterpart."""

    pairs: int  # of the truth that were measured
    missing: float  # share of them that the match leaves without a counterpart
    mean: float | None  # error; None where there is no vertex to tell it of
    wrong: float | None  # share of errors over ``WRONG``
    doubted: float | None  # share of those that the lowest fifth of the confidence holds; None without any

    def plain(self) -> dict[str, Any]:
        """As it stands in a report."""
        return {
            "pairs": self.pairs,
            "without_counterpart": self.missing,
            "mean_geodesic_error_x100": None if self.mean is None else 100.0 * self.mean,
            "share_over_0.1": self.wrong,
            "of_those_in_lowest_fifth_of_confidence": self.doubted,
        }


def map_accuracy(
    truth: Integers,  # [K, 2], source and target vertex
    points: Float64,  # [V, 3], object space, of the source's vertices; NaN without a counterpart
    confidence: Float64,  # [V]
    target: MeshData,
    seed: int = 0,  # of the choice among many pairs
) -> MapAccuracy:
    """Compares a match with vertex pairs that are known to belong together."""
    surface = working_mesh(target, "target")
    truth = np.asarray(truth, np.int64)
    truth = truth[surface.vertex_map[truth[:, 1]] >= 0]
    truth = truth[some_of(len(truth), PAIRS, seed)]
    found = truth[np.isfinite(points[truth[:, 0]]).all(axis=1)]
    missing = 1.0 - len(found) / len(truth) if len(truth) else 0.0
    if not len(found):
        return MapAccuracy(len(truth), missing, None, None, None)
    reached = points[found[:, 0]] - surface.origin
    errors = _along(surface.positions, surface.triangles, surface.vertex_map[found[:, 1]], reached)
    errors /= float(np.sqrt(areas(surface.positions, surface.triangles).sum()))
    wrong = errors > WRONG
    lowest = np.argsort(confidence[found[:, 0]], kind="stable")[: round(DOUBTED * len(found))]
    doubted = float(wrong[lowest].sum() / wrong.sum()) if wrong.any() else None
    return MapAccuracy(len(truth), missing, float(errors.mean()), float(wrong.mean()), doubted)


def _along(positions: Float64, triangles: Integers, vertices: Integers, points: Float64) -> Float64:
    """Distance [N] over the surface from vertices [N] to points [N, 3]; straight where no way leads there."""
    corners = np.asarray(triangles)[closest_on_surface(points, positions, triangles)[1]]  # [N, 3]
    last = np.linalg.norm(positions[corners] - points[:, None], axis=2)  # [N, 3]
    geodesics = Geodesics(positions, triangles)
    found = np.empty(len(points))
    for first in range(0, len(points), CHUNK):
        some = slice(first, first + CHUNK)
        distances = geodesics.from_vertices(vertices[some])  # [C, W]
        found[some] = (np.take_along_axis(distances, corners[some], axis=1) + last[some]).min(axis=1)
    return np.where(np.isfinite(found), found, np.linalg.norm(positions[vertices] - points, axis=1))
