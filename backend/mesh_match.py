"""The match of two meshes without a morph, in the artist's own vertex numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.correspondence.correspondence import CorrespondenceError
from backend.correspondence.matching import match
from backend.correspondence.vertex_order import from_vertex_order
from backend.geometry.arrays import Float64, Int64
from backend.geometry.repair import WorkingMesh, working_pair
from backend.pairing import in_order, landmarks_of, model_of, way_of
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.messages import Matched, MatchRequest


@dataclass(frozen=True, eq=False)
class MeshMatch:
    """For each of the source's V vertices its place on the target."""

    vertices: Int64  # [V], the nearest vertex of the target; -1: no counterpart, or no face
    points: Float64  # [V, 3], object space, on the target's surface; NaN without a counterpart
    confidence: Float64  # [V] in 0..1; 0 without a counterpart
    way: str  # NO_MATCH where this is a guess that cannot be trusted
    said: tuple[str, ...]  # for the artist
    facts: dict[str, Any]  # plain types

    def message(self, job: str, target: MeshData) -> Matched:
        """As it travels."""
        known = self.vertices >= 0
        points = target.with_positions(np.where(known[:, None], self.points, target.origin)).vertices
        vertices, confidence = self.vertices.astype(np.int32), np.minimum(self.confidence, 1.0).astype(np.float32)
        return Matched(job, vertices, points, confidence, self.way, self.said)


def match_meshes(request: MatchRequest, run: Run, model: Path | None = None) -> MeshMatch:
    """Finds the match. Raises ``MeshError`` or ``CorrespondenceError`` with a message for the artist.

    What was repaired of the meshes are warnings of the run.

    ``model`` is a trained model's file for the way ``implicit-dense``, where the request brings none.
    """
    way = way_of(request.way)
    if way == "table":
        raise CorrespondenceError("a table is a match already; there is nothing to find")
    with run.phase("preparing"):
        source, target = working_pair(request.source, request.target)
        for message in (*source.warnings, *target.warnings):
            run.warn(message)
    if in_order(way, request):
        return _by_order(request, source, target)
    picked = landmarks_of(request, source, target)
    own = model_of(request)
    found = match(source, target, way, picked, run, model if own is None else own)
    on_source = source.vertex_map
    points = found.map.points(target.positions, target.triangles) + target.origin  # [W, 3]
    there = target.first_vertices()[found.map.vertices(target.triangles)]  # [W]
    confidence = np.where(on_source >= 0, found.map.confidence[on_source], 0.0)
    return _told(confidence, there[on_source], points[on_source], found.way, found.said, found.facts)


def _by_order(request: MatchRequest, source: WorkingMesh, target: WorkingMesh) -> MeshMatch:
    """Vertex i to vertex i, where both have a face."""
    order = from_vertex_order(request.source, request.target)
    both = (source.vertex_map >= 0) & (target.vertex_map >= 0)
    said = "vertex 1 goes to vertex 1, and so on"
    if request.way == "auto":
        said = f"both meshes have the same faces, so {said}"
    return _told(both.astype(float), order.target, request.target.positions(), order.way, (said,), {})


def _told(
    confidence: Float64,  # [V]
    vertices: Int64,  # [V]
    points: Float64,  # [V, 3]
    way: str,
    said: tuple[str, ...],
    facts: dict[str, Any],
) -> MeshMatch:
    """The match, without what has no counterpart."""
    known = (confidence > 0) & np.isfinite(points).all(axis=1)
    return MeshMatch(
        vertices=np.where(known, vertices, -1),
        points=np.where(known[:, None], points, np.nan),
        confidence=np.where(known, confidence, 0.0),
        way=way,
        said=said,
        facts=facts,
    )
