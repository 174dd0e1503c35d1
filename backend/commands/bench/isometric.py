"""Pairs of one shape in two poses on two meshes that share no vertex, and what truly belongs together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import igl
import numpy as np
from scipy.spatial import cKDTree

from backend.commands.bench.pairs import BenchPair
from backend.geometry.arrays import Float64, Int64
from backend.geometry.io import read_mesh
from protocol.mesh import MeshData


@dataclass(frozen=True, eq=False)
class KnownPair:
    """Two meshes, and vertices [K, 2] of the source and the target that belong together."""

    name: str
    source: MeshData
    target: MeshData
    truth: Int64


@dataclass(frozen=True)
class _Poses:
    """A pose of one sequence and one of another on the same faces; the second gets faces of its own."""

    name: str
    source: tuple[str, int]  # pair of the manifest, frame
    target: tuple[str, int]
    faces: int  # of the target
    subdivisions: int = 0  # of both, at first


POSES: Final = (
    _Poses("elephant, pose", ("elephant_pose", 0), ("elephant_pose", -1), 7000),
    _Poses("elephant, turn", ("elephant_turn", 0), ("elephant_turn", -1), 8000),
    _Poses("elephant, pose to turn", ("elephant_pose", 0), ("elephant_turn", -1), 9000),
    _Poses("elephant, turn to pose", ("elephant_turn", -1), ("elephant_pose", -1), 6000),
    _Poses("fox, half a stride", ("fox_run", 0), ("fox_run", 8), 7000, 2),
    _Poses("fox, a stride", ("fox_run", 0), ("fox_run", 16), 7000, 2),
)
LARGE: Final = _Poses("50k", ("elephant_pose", 0), ("elephant_pose", -1), 6256)
LARGE_FOX: Final = _Poses("50k", ("fox_run", 0), ("fox_run", 8), 6256, 2)
SUBDIVISIONS: Final = 2  # of a surface of 6256 triangles: 50,050 vertices if it is closed


def near_isometric(pairs: Sequence[BenchPair]) -> Iterator[KnownPair]:
    """The pairs of that kind in both directions, and poses of sequences of which one is meshed anew."""
    for pair in pairs:
        if pair.kind == "near-isometric" and pair.table is not None:
            source, target = read_mesh(pair.source), read_mesh(pair.target)
            table = np.load(pair.table).astype(np.int64)
            yield KnownPair(pair.name, source, target, table)
            yield KnownPair(f"{pair.name}, back", target, source, table[:, ::-1])
    for poses in POSES:
        if found := _ends(poses, pairs):
            here, there, triangles = found
            positions, faces = decimated(there, triangles, poses.faces)
            distance, nearest = cKDTree(there).query(positions)
            exact = np.flatnonzero(distance <= np.median(distance))  # those that hardly moved
            truth = np.stack([nearest[exact], exact], axis=1)
            yield KnownPair(
                poses.name, MeshData.from_triangles(here, triangles), MeshData.from_triangles(positions, faces), truth
            )


def large_pair(pairs: Sequence[BenchPair]) -> KnownPair | None:
    """A pair of about 50,000 vertices each, both meshed anew."""
    for poses in (LARGE, LARGE_FOX):
        if found := _ends(poses, pairs):
            here, there, triangles = found
            ends = [_refined(*decimated(at, triangles, poses.faces), SUBDIVISIONS) for at in (here, there)]
            places = [cKDTree(end[0]).query(at)[1] for end, at in zip(ends, (here, there), strict=True)]
            return KnownPair(
                poses.name,
                MeshData.from_triangles(*ends[0]),
                MeshData.from_triangles(*ends[1]),
                np.stack(places, axis=1),
            )
    return None


def decimated(positions: Float64, triangles: Int64, faces: int) -> tuple[Float64, Int64]:
    """The surface with about ``faces`` triangles, its vertices placed anew."""
    found = igl.qslim(np.asfortranarray(positions), np.asfortranarray(triangles, np.int32), faces)
    return np.ascontiguousarray(found[0]), np.ascontiguousarray(found[1], np.int64)


def _refined(positions: Float64, triangles: Int64, subdivisions: int) -> tuple[Float64, Int64]:
    points, faces = igl.loop(positions, triangles, subdivisions)
    return np.asarray(points), np.asarray(faces, np.int64)


def _ends(poses: _Poses, pairs: Sequence[BenchPair]) -> tuple[Float64, Float64, Int64] | None:
    """Positions of both poses and their faces, if their sequences are there."""
    by_name = {pair.name: pair for pair in pairs if pair.truth is not None}
    if not {poses.source[0], poses.target[0]} <= set(by_name):
        return None
    mesh = read_mesh(by_name[poses.source[0]].source)
    if not mesh.same_faces(read_mesh(by_name[poses.target[0]].source)):
        return None
    triangles = mesh.triangles().astype(np.int64)
    here, there = (_frame(by_name[name], number) for name, number in (poses.source, poses.target))
    (here, faces), (there, _) = (_refined(at, triangles, poses.subdivisions) for at in (here, there))
    return here, there, faces


def _frame(pair: BenchPair, number: int) -> Float64:
    assert pair.truth is not None
    return np.ascontiguousarray(np.load(pair.truth)[number], np.float64)
