"""Landmarks: a few pairs of vertices that are known to belong together, picked by hand or read from a file."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.correspondence.correspondence import CorrespondenceError
from backend.geometry.arrays import Int64
from backend.geometry.repair import WorkingMesh
from protocol.checks import MAX_LANDMARKS


def check_landmarks(
    landmarks: NDArray[np.integer[Any]] | None,  # [L, 2], source and target vertex
    n_source: int,
    n_target: int,
    name: str = "landmarks",
) -> Int64:
    """The landmarks [L, 2], each vertex in one of them only. Raises ``CorrespondenceError``."""
    found = np.zeros((0, 2), np.int64) if landmarks is None else np.asarray(landmarks, np.int64)
    if len(found) > MAX_LANDMARKS:
        raise CorrespondenceError(
            f"{name}: holds {len(found)} pairs; at most {MAX_LANDMARKS} are taken: leave some out"
        )
    for column, (role, count) in enumerate((("source", n_source), ("target", n_target))):
        outside = np.flatnonzero((found[:, column] < 0) | (found[:, column] >= count))
        if len(outside):
            row = outside[0]
            raise CorrespondenceError(
                f"{name}: landmark {row + 1} names {role} vertex {found[row, column]}, but the {role} has {count} "
                f"vertices (0 to {count - 1}); check that the landmarks belong to these meshes in this order"
            )
        _refuse_twins(found[:, column], found[:, column], role, name)
    return found


def landmarks_on(landmarks: Int64, source: WorkingMesh, target: WorkingMesh) -> Int64:
    """The landmarks [L, 2] in the vertex numbers of the two surfaces. Raises ``CorrespondenceError``."""
    columns = []
    for column, (role, surface) in enumerate((("source", source), ("target", target))):
        vertices = landmarks[:, column]
        found = surface.vertex_map[vertices]
        loose = np.flatnonzero(found < 0)
        if len(loose):
            raise CorrespondenceError(
                f"landmark {loose[0] + 1} names {role} vertex {vertices[loose[0]]}, which is no corner of a face with "
                "an area; pick a vertex of the surface"
            )
        _refuse_twins(found, vertices, role, "landmarks")
        columns.append(found)
    return np.stack(columns, axis=1)


def _refuse_twins(found: Int64, vertices: Int64, role: str, name: str) -> None:
    """``CorrespondenceError`` where two of ``found`` [L] are one; ``vertices`` [L] are the numbers that are told."""
    _, first, group = np.unique(found, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[group] != np.arange(len(found)))
    if not len(again):
        return
    late = int(again[0])
    early = int(first[group[late]])
    a, b = vertices[early], vertices[late]
    what = f"both name {role} vertex {a}" if a == b else f"name {role} vertices {a} and {b}, which lie at one place"
    raise CorrespondenceError(f"{name}: landmarks {early + 1} and {late + 1} {what}; delete one of the two")
