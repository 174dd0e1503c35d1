"""Landmarks from a file: pairs of vertices, or pairs of points, which become the vertices next to them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from backend.correspondence.correspondence import CorrespondenceError
from backend.correspondence.landmarks import check_landmarks
from backend.geometry.arrays import Float64, Int64
from backend.geometry.distance import closest_on_surface
from backend.geometry.repair import working_mesh
from backend.geometry.triangles import diagonal
from protocol.mesh import MeshData

FORM = (
    'a file of landmarks is JSON: {"pairs": [[source vertex, target vertex], ...]}, vertices counted from 0, or '
    '{"points": [[[x, y, z], [x, y, z]], ...]}, points on the source and on the target'
)
ASTRAY = 0.1  # of the diagonal: a point so far from the surface is in other coordinates than the mesh


def read_landmarks(path: Path, source: MeshData, target: MeshData) -> Int64:
    """The checked landmarks [L, 2] of a file, first its pairs, then its points.

    Raises ``CorrespondenceError``, and ``MeshError`` where points are to be found on a mesh without a surface.
    """
    content = _content(path)
    pairs, points = (_list_of(content, name, path) for name in ("pairs", "points"))
    for number, pair in enumerate(pairs, 1):
        if not (_is_pair(pair) and all(_is_vertex(vertex) for vertex in pair)):
            raise _wrong(path, number, pair, "two vertex numbers")
    for number, pair in enumerate(points, len(pairs) + 1):
        if not (_is_pair(pair) and all(_is_point(point) for point in pair)):
            raise _wrong(path, number, pair, "two points of three finite numbers")
    found = np.array(pairs, np.int64).reshape(-1, 2)
    if points:
        places = np.array(points, np.float64)  # [P, 2, 3]
        meshes = (("source", source), ("target", target))
        columns = [
            _vertices_at(places[:, column], mesh, role, len(pairs), path) for column, (role, mesh) in enumerate(meshes)
        ]
        found = np.concatenate([found, np.stack(columns, axis=1)])
    return check_landmarks(found, source.n_vertices, target.n_vertices, str(path))


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CorrespondenceError(f"{path}: cannot be read ({error.strerror or error}); {FORM}") from error
    except (ValueError, RecursionError) as error:
        raise CorrespondenceError(f"{path}: is no JSON ({error}); {FORM}") from error
    if not isinstance(content, dict) or not {"pairs", "points"} & content.keys():
        raise CorrespondenceError(f"{path}: has no list called pairs, and none called points; {FORM}")
    return content


def _list_of(content: dict[str, Any], name: str, path: Path) -> list[Any]:
    found = content.get(name, [])
    if not isinstance(found, list):
        raise CorrespondenceError(f"{path}: {name} is no list; {FORM}")
    return found


def _is_pair(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2


def _is_vertex(vertex: object) -> bool:
    return isinstance(vertex, int) and not isinstance(vertex, bool) and -(2**63) <= vertex < 2**63


def _is_point(point: object) -> bool:
    return isinstance(point, list) and len(point) == 3 and all(_is_coordinate(value) for value in point)


def _is_coordinate(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e30 and math.isfinite(value)


def _wrong(path: Path, number: int, found: object, wanted: str) -> CorrespondenceError:
    return CorrespondenceError(f"{path}: landmark {number} is {json.dumps(found)[:60]}, not {wanted}; {FORM}")


def _vertices_at(
    points: Float64,  # [P, 3], object space
    mesh: MeshData,
    role: str,
    before: int,  # landmarks of the file before these
    path: Path,
) -> Int64:
    """For each point the nearest corner [P] of the face that it is on."""
    surface = working_mesh(mesh, role)
    at = points - surface.origin
    distance, face, _ = closest_on_surface(at, surface.positions, surface.triangles)
    size = diagonal(surface.positions, surface.triangles)
    far = np.flatnonzero(distance > ASTRAY * size)
    if len(far):
        k = far[0]
        place = ", ".join(f"{value:g}" for value in points[k])
        raise CorrespondenceError(
            f"{path}: landmark {before + k + 1} names the point ({place}), which is {distance[k]:.3g} away from the "
            f"{role}, whose diagonal is {size:.3g}; points are in the coordinates of the mesh files, source first"
        )
    corners = surface.triangles[face]  # [P, 3]
    gaps = np.linalg.norm(surface.positions[corners] - at[:, None], axis=2)
    nearest = np.take_along_axis(corners, gaps.argmin(axis=1)[:, None], axis=1)[:, 0]
    return np.asarray(surface.first_vertices()[nearest])
