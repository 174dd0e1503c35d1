"""``read_shape``: a mesh, a point cloud or polylines out of any file that has one. Every fault is a ``MeshError``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from backend.geometry.array_format import parse_npy, parse_npz
from backend.geometry.arrays import Float64
from backend.geometry.check import LARGEST_COORDINATE, count, numbered
from backend.geometry.dxf_format import parse_dxf
from backend.geometry.io import SUFFIXES as MESH_SUFFIXES
from backend.geometry.io import as_mesh, file_bytes, read_polygons
from backend.geometry.paths import closed, comes_back, is_path, joined, welded
from backend.geometry.polygons import FormatError
from backend.geometry.shape import KINDS, Shape
from backend.geometry.svg_format import parse_svg
from backend.geometry.xyz_format import parse_xyz
from protocol.mesh import MeshError

PARSERS: Final[Mapping[str, Callable[[bytes], Shape]]] = {
    ".xyz": parse_xyz,
    ".txt": parse_xyz,
    ".csv": parse_xyz,
    ".npy": parse_npy,
    ".npz": parse_npz,
    ".svg": parse_svg,
    ".dxf": parse_dxf,
}
SUFFIXES: Final = (*MESH_SUFFIXES, *PARSERS)
ARRAYS: Final = (".npy", ".npz")  # whose points may be a path without saying so
FLAT = 1e-9  # of the diagonal: as far from one height z as curves and clouds of the plane may be


def read_shape(path: str | Path, kind: str = "auto", dimension: int | None = None) -> Shape:
    """The shape of a file. ``kind`` is one of ``KINDS``:

    ``auto``      faces make a mesh, lines polylines, and points without either a cloud, but for points of an array
                  that come in the order of a curve: they are a polyline, and a loop where it comes back
    ``mesh``      what has faces
    ``cloud``     the points alone, whatever joins them
    ``polyline``  lines; points that nothing joins are taken one after another
    ``loop``      the same, and the last of them joined to the first

    ``dimension`` 2 leaves z out, 3 puts curves and clouds of the plane at height 0. By default a cloud or polylines
    at one height z are taken to lie in the plane, and a mesh never.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise FormatError("is a folder; name a file with a shape")
        if path.suffix.lower() not in SUFFIXES:
            suffix = path.suffix or "a name without suffix"
            raise FormatError(f"{suffix} is not a format known here; use one of {', '.join(SUFFIXES)}")
        found = _mesh_file(path, kind) if path.suffix.lower() in MESH_SUFFIXES else _parsed(path)
        check_shape(found, str(path))
        shape = _as_kind(found, kind, path.suffix.lower() in ARRAYS)
    except FormatError as error:
        raise MeshError(f"{path}: {error}") from error
    check_shape(shape, str(path))
    return in_dimension(shape, dimension, str(path))


def check_shape(shape: Shape, name: str) -> None:
    """Raises ``MeshError`` for points that are none, NaN, infinite or beyond computing."""
    if shape.segments is not None and not len(shape.segments):
        raise MeshError(f"{name}: no line has a length; check the scale and the shape of the drawing")
    if not len(shape.points):
        raise MeshError(f"{name}: there are no points; choose an object or a file with some")
    if shape.triangles is not None and not len(shape.triangles):
        raise MeshError(f"{name}: there are no faces; choose an object or a file with some")
    for what, values in (("a coordinate", shape.points), ("a normal", shape.normals)):
        if values is None:
            continue
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            fault = "NaN" if np.isnan(values[bad]).any() else "infinite"
            raise MeshError(
                f"{name}: {count(len(bad), 'point has', 'points have')} {what} that is {fault} ({numbered(bad)}, "
                "counted from 0); remove them, or export again"
            )
    largest = float(np.abs(shape.points).max())
    if largest > LARGEST_COORDINATE:
        raise MeshError(
            f"{name}: a coordinate is as large as {largest:.3g}; beyond {LARGEST_COORDINATE:g} lengths cannot be "
            "computed, so scale it down"
        )


def in_dimension(shape: Shape, dimension: int | None, name: str) -> Shape:
    """The shape in the plane or in space, as asked or as ``read_shape`` says."""
    if dimension is None:
        dimension = 2 if shape.dimension == 3 and shape.kind != "mesh" and _flat(shape) else shape.dimension
    if dimension == shape.dimension:
        return shape
    if dimension == 3:
        normals = None if shape.normals is None else np.pad(shape.normals, ((0, 0), (0, 1)))
        return replace(shape, points=np.pad(shape.points, ((0, 0), (0, 1))), normals=normals)
    if shape.kind == "mesh":
        raise MeshError(f"{name}: a mesh has three dimensions; ask for its points or lines, or export its outline")
    normals = None if shape.normals is None else _unit(shape.normals[:, :2])
    return replace(shape, points=np.ascontiguousarray(shape.points[:, :2]), normals=normals)


def _flat(shape: Shape) -> bool:
    """Whether all of it lies at one height, its normals, too."""
    used = shape.used()
    size = float(np.linalg.norm(np.ptp(used, axis=0)))
    level = np.ptp(used[:, 2]) <= FLAT * max(size, np.abs(used[:, 2]).max())
    return bool(level and size > 0.0 and (shape.normals is None or np.abs(shape.normals[:, 2]).max() <= 1e-6))


def _mesh_file(path: Path, kind: str) -> Shape:
    """What a file holds that may have faces."""
    found = read_polygons(path)
    if kind == "mesh" or (kind == "auto" and len(found.sizes)):
        mesh = as_mesh(found, path)
        return Shape(mesh.positions(), triangles=mesh.triangles().astype(np.int64))
    faces = len(found.sizes) and kind in ("polyline", "loop") and found.segments is None
    if faces:
        raise FormatError("it has faces and no lines; ask for kind mesh or cloud, or export its outline")
    return Shape(found.positions, found.normals, segments=found.segments)


def _parsed(path: Path) -> Shape:
    return PARSERS[path.suffix.lower()](file_bytes(path))


def _as_kind(shape: Shape, kind: str, of_arrays: bool) -> Shape:
    """The shape as the kind that is asked for, its lines joined and its normals of length 1."""
    if kind not in KINDS:
        raise FormatError(f"{kind!r} is not a kind of shape; there are {', '.join(KINDS)}")
    if kind == "mesh" and shape.triangles is None:
        raise FormatError("it has no faces, so it is no mesh; ask for kind cloud or polyline, or let it be found out")
    if shape.triangles is not None and kind in ("auto", "mesh"):
        return replace(shape, normals=None, segments=None)
    if shape.segments is not None and kind != "cloud":
        points, segments = welded(shape.points, shape.segments)
        return Shape(points, segments=segments)
    several = shape.kind == "cloud" and len(shape.points) > 1
    as_path = several and kind in ("polyline", "loop")
    if kind == "auto" and of_arrays and several and shape.normals is None:
        as_path = is_path(shape.points)
    if as_path:
        whole_turn = kind == "loop" or (kind == "auto" and comes_back(shape.points))
        points, segments = joined([closed(shape.points) if whole_turn else shape.points])
        return Shape(points, segments=segments)
    return Shape(shape.points, None if shape.normals is None else _unit(shape.normals))


def _unit(normals: Float64) -> Float64 | None:
    """Normals of length 1; none at all where some have no direction."""
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    if not np.isfinite(length).all():
        return normals
    return normals / length if len(length) and length.min() > 0.0 else None
