"""Shapes as NumPy arrays: one array of points in an NPY file, or several named ones in an NPZ file."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.geometry.arrays import Float64, Int64
from backend.geometry.check import LARGEST_COORDINATE
from backend.geometry.polygons import FormatError, whole
from backend.geometry.shape import Shape
from protocol.mesh import MeshError

COLUMNS = {2: (2, False), 3: (3, False), 4: (2, True), 6: (3, True)}  # of a table: dimension, and whether with normals
POINTS = ("points", "vertices", "positions")
TRIANGLES = ("triangles", "faces")
SEGMENTS = ("segments", "edges", "lines")


def read_array(path: Path, remedy: str, largest: float = LARGEST_COORDINATE) -> Float64:
    """The array of an NPY file. Raises ``MeshError`` unless it holds plain numbers, none of them beyond ``largest``."""
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise MeshError(f"{path}: is missing; {remedy}") from None
    except Exception as error:  # whatever a damaged file makes of numpy
        raise MeshError(f"{path}: cannot be read as an array ({error}); {remedy}") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise MeshError(f"{path}: is no array of real numbers; {remedy}")
    bad = ~(np.abs(values) <= largest)
    if bad.any():
        row = int(np.argwhere(bad)[0, 0]) if values.ndim else 0
        raise MeshError(f"{path}: row {row} (counted from 0) is NaN, infinite or huge; {remedy}")
    return values.astype(np.float64)


def parse_npy(data: bytes) -> Shape:
    """Points [N, 2] or [N, 3], or points and their normals side by side [N, 4] or [N, 6]."""
    return shape_of_table(_loaded(data), "the array")


def parse_npz(data: bytes) -> Shape:
    """``points``, and where there are ``normals``, ``segments`` [S, 2] or ``triangles`` [T, 3]."""
    archive = _loaded(data)
    if isinstance(archive, np.ndarray):
        raise FormatError("this holds a single array, not an archive of arrays; name it .npy")
    try:
        arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # whatever a damaged archive makes of zipfile and numpy
        raise FormatError(f"its arrays cannot be read ({error}); save it again") from error
    name = next((name for name in POINTS if name in arrays), None)
    if name is None and len(arrays) != 1:
        raise FormatError(f"none of its arrays ({', '.join(arrays) or 'none'}) is called {' or '.join(POINTS)}")
    shape = shape_of_table(arrays[name or next(iter(arrays))], f"the array {name or next(iter(arrays))}")
    normals = shape.normals
    if "normals" in arrays:
        normals = _real(arrays["normals"], "the array normals")
        if normals.shape != shape.points.shape:
            raise FormatError(f"normals have the shape {normals.shape}, and the points {shape.points.shape}")
    count = len(shape.points)
    return Shape(shape.points, normals, _joins(arrays, TRIANGLES, 3, count), _joins(arrays, SEGMENTS, 2, count))


def shape_of_table(table: NDArray[Any], what: str) -> Shape:
    """The cloud of a table [N, 2], [N, 3], [N, 4] or [N, 6]; ``what`` is how errors call it."""
    values = _real(table, what)
    if values.ndim != 2 or values.shape[1] not in COLUMNS:
        raise FormatError(
            f"{what} has the shape {values.shape}; a cloud has a row a point, of 2 or 3 coordinates, or of 4 or 6 "
            "numbers where its normals stand beside them"
        )
    dimension, with_normals = COLUMNS[values.shape[1]]
    normals = values[:, dimension:] if with_normals and not _are_colours(values[:, dimension:]) else None
    return Shape(np.ascontiguousarray(values[:, :dimension]), normals)


def _are_colours(values: Float64) -> bool:
    """Whether what stands beside the points [N, K] is red, green and blue from 0 to 255."""
    integral = (values == np.round(values)).all() and (values >= 0).all()
    return bool(values.shape[1] == 3 and integral and values.max(initial=0.0) > 1)


def _loaded(data: bytes) -> Any:
    try:
        return np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # whatever a damaged file makes of numpy
        raise FormatError(f"it cannot be read as NumPy arrays ({error}); save it again with numpy.save") from error


def _real(values: NDArray[Any], what: str) -> Float64:
    if values.dtype.kind not in "fiu":
        raise FormatError(f"{what} holds {values.dtype}, and coordinates are plain numbers; save it again")
    return values.astype(np.float64)


def _joins(arrays: dict[str, NDArray[Any]], names: tuple[str, ...], width: int, count: int) -> Int64 | None:
    """The table [K, width] of numbers of points under one of ``names``."""
    name = next((name for name in names if name in arrays), None)
    if name is None:
        return None
    table = whole(_real(arrays[name], f"the array {name}"), f"index in {name}")
    if table.ndim != 2 or table.shape[1] != width:
        raise FormatError(f"the array {name} has the shape {table.shape} instead of (count, {width})")
    if len(table) and (table.min() < 0 or table.max() >= count):
        raise FormatError(f"the array {name} refers to points that do not exist (there are {count}, counted from 0)")
    return table
