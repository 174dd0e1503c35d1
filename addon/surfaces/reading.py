"""Objects -> ``ShapeData``: evaluated, in world space, faces where there are any, else lines, else points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from ..problem import Problem
from ..protocol.mesh import Float32, Float64, Int32
from ..protocol.shape import ShapeData
from ..read_mesh import evaluated_object, read_faces, read_positions, world_matrix

MESHED = ("MESH", "CURVE", "SURFACE", "FONT", "META")  # what Blender makes a mesh of
READABLE = (*MESHED, "CURVES", "POINTCLOUD")
NORMALS = ("normal", "normals", "custom_normal", "n")  # names of an attribute of points, in any case
FEWEST, MOST = 30, 400  # points along the diagonal, where lines are taken as points
FLAT = 1e-5  # of the longest extent of lines, across their plane
KINDS = {"mesh": "faces", "lines": "lines", "cloud": "points only"}


@dataclass(frozen=True, eq=False)
class Part:
    """One object in the world."""

    name: str
    positions: Float64  # [N, 3]
    normals: Float64 | None = None  # [N, 3], of a cloud
    faces: tuple[Int32, Int32] | None = None  # offsets [F + 1] and corners [C]
    segments: Int32 | None = None  # [S, 2]

    @property
    def kind(self) -> str:
        if self.faces is not None:
            return "mesh"
        return "cloud" if self.segments is None else "lines"


def read_shape(context: bpy.types.Context, objects: Sequence[bpy.types.Object]) -> ShapeData:
    """Reads objects as one shape. Raises ``Problem``."""
    parts = [_read(context, ob) for ob in objects]
    first = parts[0]
    other = next((part for part in parts if part.kind != first.kind), None)
    if other is not None:
        raise Problem(
            f"{first.name!r} has {KINDS[first.kind]} and {other.name!r} has {KINDS[other.kind]}. Select objects that "
            "are alike, or convert one of them."
        )
    return _joined(parts)


def _read(context: bpy.types.Context, ob: bpy.types.Object) -> Part:
    evaluated, _ = evaluated_object(context, ob)
    world = world_matrix(evaluated, ob.name)
    if ob.type in MESHED:
        with _mesh_of(evaluated) as mesh:
            part = Part(ob.name, np.zeros((0, 3))) if mesh is None else _of_mesh(mesh, ob.name)
    else:
        part = _of_points(evaluated.data, ob.name)
    if not len(part.positions):
        raise Problem(f"{ob.name!r} has no points. Select an object that has some.")
    bad = np.flatnonzero(~np.isfinite(part.positions).all(axis=1))
    if len(bad):
        raise Problem(
            f"{ob.name!r} has {len(bad)} points whose position is not a number (the first is point {bad[0]}, counted "
            "from 0). Delete or move them and press the button again."
        )
    positions = part.positions @ world[:3, :3].T + world[:3, 3]
    normals = None if part.normals is None else _turned(part.normals, world)
    mirrored = part.faces is not None and np.linalg.det(world[:3, :3]) < 0.0
    return Part(part.name, positions, normals, turned_round(*part.faces) if mirrored else part.faces, part.segments)


@contextmanager
def _mesh_of(evaluated: bpy.types.Object) -> Iterator[bpy.types.Mesh | None]:
    """There is none of a curve without splines."""
    try:
        yield evaluated.to_mesh()
    finally:
        evaluated.to_mesh_clear()


def _of_mesh(mesh: bpy.types.Mesh, name: str) -> Part:
    positions = read_positions(mesh).astype(np.float64)
    if len(mesh.polygons):
        return Part(name, positions, faces=read_faces(mesh))
    if len(mesh.edges):
        ends = np.empty((len(mesh.edges), 2), np.int32)
        mesh.edges.foreach_get("vertices", ends.reshape(-1))
        return Part(name, positions, segments=ends)
    return Part(name, positions, _normals(mesh, len(positions)))


def _of_points(data: Any, name: str) -> Part:
    """A point cloud, or hair curves through their control points."""
    positions = _vectors(data.attributes.get("position"))
    if positions is None:
        return Part(name, np.zeros((0, 3)))
    if not isinstance(data, bpy.types.PointCloud):
        starts = np.array([curve.first_point_index for curve in data.curves], np.int64)
        before = np.setdiff1d(np.arange(len(positions)), [*starts, len(positions)]) - 1
        return Part(name, positions, segments=np.stack([before, before + 1], axis=1).astype(np.int32))
    return Part(name, positions, _normals(data, len(positions)))


def _normals(data: Any, count: int) -> Float64 | None:
    """The attribute of the points [N, 3] that looks like normals; None where there is none, or some have no length."""
    for attribute in data.attributes:
        if attribute.name.lower() in NORMALS and attribute.domain == "POINT":
            found = _vectors(attribute)
            sound = (
                found is not None and np.isfinite(found).all() and (np.abs(found).max(axis=1, initial=0.0) > 0).all()
            )
            if found is not None and len(found) == count and sound:
                return found
    return None


def _vectors(attribute: Any) -> Float64 | None:
    """The values [N, 3] of an attribute of vectors."""
    if attribute is None or attribute.data_type != "FLOAT_VECTOR":
        return None
    found: Float32 = np.empty((len(attribute.data), 3), np.float32)
    if len(found):
        attribute.data.foreach_get("vector", found.reshape(-1))
    return found.astype(np.float64)


def _turned(normals: Float64, world: Float64) -> Float64:
    """Normals [N, 3] in the world, of length 1; a mirrored object keeps its outside."""
    turned = normals @ np.linalg.inv(world[:3, :3])
    return np.asarray(turned / np.linalg.norm(turned, axis=1, keepdims=True))


def is_flat(shape: ShapeData) -> bool:
    """Whether all points lie on a plane."""
    points = shape.positions()
    extents = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return len(extents) < 3 or bool(extents[2] <= FLAT * extents[0])


def turned_round(offsets: Int32, corners: Int32) -> tuple[Int32, Int32]:
    """Faces as seen from their other side: the outside of a mirrored object."""
    return (offsets[-1] - offsets)[::-1], corners[::-1]


def as_points(lines: ShapeData) -> ShapeData:
    """A cloud of points along lines, about as far apart as the lines are, since a surface through them needs both."""
    assert lines.segments is not None
    positions = lines.positions()
    size = max(float(np.linalg.norm(np.ptp(positions, axis=0))), float(np.finfo(np.float64).tiny))
    start, end = positions[lines.segments[:, 0]], positions[lines.segments[:, 1]]
    lengths = np.linalg.norm(end - start, axis=1)  # [S]
    total = max(float(lengths.sum()), size / MOST)
    # Of a body with about the area size^2, and lines all over it.
    spacing = min(max(size**2 / (3.0 * total), size / MOST), size / FEWEST)
    counts = np.maximum(np.ceil(lengths / spacing), 1.0).astype(np.int64)
    which = np.repeat(np.arange(len(counts)), counts)
    along = (np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts) + 0.5) / counts[which]
    return ShapeData.from_positions(start[which] + along[:, None] * (end - start)[which])


def _joined(parts: Sequence[Part]) -> ShapeData:
    """All parts, which are of one kind, as one shape. Normals only where all have them."""
    counts = np.array([len(part.positions) for part in parts])
    shifts = (np.cumsum(counts) - counts).astype(np.int32)
    positions = np.concatenate([part.positions for part in parts])
    normals = [part.normals for part in parts if part.normals is not None]
    faces = [part.faces for part in parts if part.faces is not None]
    segments = [part.segments + shift for part, shift in zip(parts, shifts, strict=True) if part.segments is not None]
    if segments:
        return ShapeData.from_positions(positions, segments=np.concatenate(segments).astype(np.int32))
    if faces:
        sizes = np.concatenate([np.diff(offsets) for offsets, _ in faces])
        corners = [corner + shift for (_, corner), shift in zip(faces, shifts, strict=True)]
        return ShapeData.from_positions(
            positions,
            face_offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32),
            face_indices=np.concatenate(corners).astype(np.int32),
        )
    all_have = len(normals) == len(parts)
    return ShapeData.from_positions(positions, normals=np.concatenate(normals).astype(np.float32) if all_have else None)
