"""Which point of the source goes where on the target: what the request says of it, or what is found without."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from backend.correspondence.correspondence import Correspondence, CorrespondenceError
from backend.correspondence.landmarks import check_landmarks, landmarks_on
from backend.correspondence.matching import match
from backend.correspondence.table import check_pairs
from backend.correspondence.vertex_order import from_vertex_order
from backend.geometry.arrays import Int64
from backend.geometry.repair import WorkingMesh
from backend.methods.registry import get
from backend.training.run import Run
from protocol.messages import CORRESPONDENCES, NO_MATCH, MatchRequest, MorphRequest

ASTRAY: Final = 0.1  # of the target's diagonal: a landmark so far from its place in the vertex order contradicts it


def correspondence_of(
    request: MorphRequest, source: WorkingMesh, target: WorkingMesh, run: Run
) -> Correspondence | None:
    """The match in the vertex numbers of the two surfaces; None where none is known and the method can do without.

    Raises ``CorrespondenceError`` with a message for the artist.
    """
    way = way_of(request.correspondence)
    if way == "table":
        if request.pairs is None:
            raise CorrespondenceError("the correspondence is a table, but no table was given")
        counts = request.source.n_vertices, request.target.n_vertices
        return on_surfaces(check_pairs(request.pairs, request.weights, *counts), source, target)
    if in_order(way, request):
        return on_surfaces(from_vertex_order(request.source, request.target), source, target)
    picked = landmarks_of(request, source, target)
    try:
        found = match(source, target, way, picked, run, model_of(request))
    except CorrespondenceError as error:
        if way != "auto":
            raise
        run.said.append(str(error))
        _do_without(request, way, (str(error),))
        return None
    run.said.extend(found.said)
    run.facts["matching"] = {"landmarks": len(picked), **found.facts}
    if found.way == NO_MATCH:
        _do_without(request, way, found.said)
        return None
    trusted = np.flatnonzero(found.map.confidence > 0)
    there = found.map.vertices(target.triangles)[trusted]
    return Correspondence(trusted, there, found.map.confidence[trusted], found.way, found.map.without)


def model_of(request: MorphRequest | MatchRequest) -> bytes | None:
    """The trained model that came with the request."""
    return None if request.model is None else request.model.tobytes()


def on_surfaces(found: Correspondence, source: WorkingMesh, target: WorkingMesh) -> Correspondence:
    """The pairs in the vertex numbers of the two surfaces; pairs of vertices that are on neither are dropped."""
    a, b = source.vertex_map[found.source], target.vertex_map[found.target]
    both = (a >= 0) & (b >= 0)
    if not both.any():
        raise CorrespondenceError("no pair of the correspondence lies on faces of both meshes; give pairs that do")
    # Vertices that were welded bring the same pair several times.
    pairs, first = np.unique(np.stack([a[both], b[both]], axis=1), axis=0, return_index=True)
    return replace(found, source=pairs[:, 0], target=pairs[:, 1], weights=found.weights[both][first])


def way_of(asked: str) -> str:
    """The way in its one spelling."""
    way = asked.replace("_", "-")
    if way not in CORRESPONDENCES:
        raise CorrespondenceError(f"correspondence is {asked!r}; it must be one of {', '.join(CORRESPONDENCES)}")
    return way


def in_order(way: str, request: MorphRequest | MatchRequest) -> bool:
    """Whether vertex i of the source is vertex i of the target: because it was said, or because all speaks for it."""
    if way != "auto":
        return way == "vertex-order"
    return request.source.same_faces(request.target) and not _contradicted(request)


def _contradicted(request: MorphRequest | MatchRequest) -> bool:
    """Whether a landmark leads to quite another place than the vertex order."""
    counts = request.source.n_vertices, request.target.n_vertices
    picked = check_landmarks(request.landmarks, *counts)
    positions = request.target.positions()
    gap = np.linalg.norm(positions[picked[:, 0]] - positions[picked[:, 1]], axis=1)  # [L]
    return bool((gap > ASTRAY * np.linalg.norm(np.ptp(positions, axis=0))).any())


def landmarks_of(request: MorphRequest | MatchRequest, source: WorkingMesh, target: WorkingMesh) -> Int64:
    """The landmarks [L, 2] in the vertex numbers of the two surfaces."""
    counts = request.source.n_vertices, request.target.n_vertices
    return landmarks_on(check_landmarks(request.landmarks, *counts), source, target)


def _do_without(request: MorphRequest, way: str, said: tuple[str, ...]) -> None:
    """``CorrespondenceError`` where a match was asked for, or the method needs one."""
    method = get(request.method)
    remeshes = "remesh" in method.topologies
    why = "; ".join(said)
    reason = f" ({why})" if why else ""
    if way != "auto":
        raise CorrespondenceError(
            f"{way} found no match that can be trusted{reason}. Pick landmarks, a few pairs of vertices that belong "
            "together (--landmarks FILE on the command line), or give a table of vertex pairs."
        )
    if method.needs_correspondence and (request.topology == "keep" or not remeshes):
        raise CorrespondenceError(
            f"the meshes do not share their vertex order (source: {request.source.n_vertices} vertices, "
            f"{request.source.n_faces} faces; target: {request.target.n_vertices} vertices, "
            f"{request.target.n_faces} faces), and no match was found that can be trusted{reason}, so it is not known "
            "which point goes where. Pick landmarks, a few pairs of vertices that belong together (--landmarks FILE on "
            "the command line), or give a table of vertex pairs (Match: Table in Blender, --correspondence FILE), or "
            "vertex-order if the numbers do match."
            + (" Topology remesh (--topology remesh) needs none of them." if remeshes else "")
        )
