"""``nonrigid``: the source is bent onto the target by what is known, and every vertex belongs where it then lies."""

from __future__ import annotations

from collections.abc import Callable

import igl
import numpy as np

from backend.correspondence.correspondence import Correspondence
from backend.correspondence.dense_map import DenseMap
from backend.correspondence.landing import land
from backend.geometry.arrays import Float64
from backend.geometry.distance import closest_on_surface
from backend.geometry.edges import edges_of
from backend.geometry.repair import WorkingMesh
from backend.geometry.triangles import areas

FAR = 0.03  # between where the pairs lead and where the vertex came to lie, in square roots of the target's area
STRETCHED = 0.5  # mean logarithm of the change of the edges' lengths around a vertex
HALF = 1.5  # doubts that leave half of the trust
FLOOR = 1e-4  # of the square root of the area, added to lengths


def registered(
    source: WorkingMesh, target: WorkingMesh, pairs: Correspondence, check: Callable[[int, int], None]
) -> DenseMap:
    """The map of a robust non-rigid registration (``landing``) that starts from weighted vertex pairs.

    A vertex is trusted the less the farther it was pulled away from where its pair led, and the more its surroundings
    were stretched; not at all where the target has no counterpart. ``weights`` of the pairs count as trust, too.
    """
    a, b = source, target
    landing = land(a.positions, a.triangles, b.positions, b.triangles, pairs, check)
    _, faces, points = closest_on_surface(landing.positions, b.positions, b.triangles)
    corners = [np.ascontiguousarray(b.positions[b.triangles[faces][:, k]]) for k in range(3)]
    weights = np.asarray(igl.barycentric_coordinates(np.ascontiguousarray(points), *corners))
    size = float(np.sqrt(areas(b.positions, b.triangles).sum()))
    doubt = _stretch(a, landing.positions, size) / STRETCHED
    away = np.linalg.norm(landing.positions[pairs.source] - b.positions[pairs.target], axis=1) / size
    np.add.at(doubt, pairs.source, away / FAR)
    trust = np.ones(len(doubt))
    trust[pairs.source] = np.minimum(pairs.weights, 1.0)
    confidence = np.exp2(-(doubt + 1.0 - trust) / HALF) * landing.on_surface
    return DenseMap(faces, np.clip(weights, 0.0, 1.0), confidence, "nonrigid")


def _stretch(source: WorkingMesh, pose: Float64, size: float) -> Float64:
    """Mean change [W] of the edges around every vertex, as a logarithm, both shapes scaled to an area of 1."""
    ends = edges_of(source.triangles).ends
    before, after = (np.linalg.norm(at[ends[:, 0]] - at[ends[:, 1]], axis=1) for at in (source.positions, pose))
    own = float(np.sqrt(areas(source.positions, source.triangles).sum()))
    change = np.abs(np.log((after / size + FLOOR) / (before / own + FLOOR)))
    count = np.bincount(ends.ravel(), minlength=len(pose))
    return np.asarray(np.bincount(ends.ravel(), np.repeat(change, 2), len(pose)) / np.maximum(count, 1))
