"""What queries of a field give, as the bytes of files: surfaces, curves, points and numbers at points."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from backend.geometry.arrays import Float64, Int64
from backend.geometry.ply_format import ply_bytes
from backend.geometry.svg_format import svg_bytes
from protocol.mesh import MeshData

SURFACES: Final = (".ply", ".obj")
CURVES: Final = (".svg", ".obj", ".npz", ".npy")
POINTS: Final = (".ply", ".xyz", ".npy")
NUMBERS: Final = (".npy", ".csv")


def surface_bytes(suffix: str, positions: Float64, triangles: Int64) -> bytes:
    """A mesh as PLY or OBJ."""
    if suffix == ".ply":
        return ply_bytes(MeshData.from_triangles(positions, triangles))
    return _obj(positions, [f"f {a} {b} {c}" for a, b, c in (triangles + 1).tolist()])


def curves_bytes(suffix: str, loops: Sequence[Float64]) -> bytes:
    """Closed loops [K, 2], first point = last, all in one file.

    SVG: one filled path. OBJ: a line each. NPZ: ``points`` [N, 2] and ``segments`` [S, 2]. NPY: [N, 2], the loops one
    after another with a row of NaN between them.
    """
    if suffix == ".svg":
        return svg_bytes(loops)
    if suffix == ".npy":
        gap = np.full((1, 2), np.nan)
        return _npy(np.concatenate([part for loop in loops for part in (gap, loop)][1:]))
    ends = np.cumsum([0, *(len(loop) - 1 for loop in loops)])
    rings = [np.append(np.arange(a, b), a) for a, b in pairwise(ends.tolist())]
    points = np.concatenate([loop[:-1] for loop in loops])
    if suffix == ".obj":
        return lines_bytes(points, rings)
    file = io.BytesIO()
    np.savez(file, points=points, segments=np.concatenate([np.stack([r[:-1], r[1:]], axis=1) for r in rings]))
    return file.getvalue()


def lines_bytes(points: Float64, lines: Sequence[Int64]) -> bytes:
    """Lines through points [N, D] as OBJ."""
    return _obj(points, ["l " + " ".join(map(str, (line + 1).tolist())) for line in lines])


def points_bytes(suffix: str, points: Float64, normals: Float64 | None = None) -> bytes:
    """Points [N, D], and normals beside them, as PLY, XYZ or NPY; in PLY those of the plane have height 0."""
    columns = [points] if normals is None else [points, normals]
    if suffix == ".npy":
        return _npy(np.concatenate(columns, axis=1))
    if suffix == ".xyz":
        return _text("", np.concatenate(columns, axis=1), " ")
    table = np.concatenate([_in_space(column) for column in columns], axis=1)
    names = ("x", "y", "z", "nx", "ny", "nz")[: table.shape[1]]
    header = [f"ply\nformat binary_little_endian 1.0\ncomment Tweenfield\nelement vertex {len(points)}"]
    header += [f"property double {name}" for name in names]
    return ("\n".join([*header, "end_header"]) + "\n").encode("ascii") + table.astype("<f8").tobytes()


def numbers_bytes(suffix: str, points: Float64, values: Float64) -> bytes:
    """A number for every point: as NPY the numbers [N] alone, as CSV beside the points."""
    if suffix == ".npy":
        return _npy(values)
    names = ",".join([*"xyz"[: points.shape[1]], "distance"])
    return _text(names + "\n", np.concatenate([points, values[:, None]], axis=1), ",")


def _in_space(points: Float64) -> Float64:
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1])))


def _npy(values: Float64) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def _text(header: str, table: Float64, between: str) -> bytes:
    rows = [between.join(f"{number:.12g}" for number in row) for row in table.tolist()]
    return (header + "".join(row + "\n" for row in rows)).encode("ascii")


def _obj(points: Float64, elements: Sequence[str]) -> bytes:
    vertices = [f"v {x:.12g} {y:.12g} {z:.12g}" for x, y, z in _in_space(points).tolist()]
    return ("\n".join(["# Tweenfield", *vertices, *elements]) + "\n").encode("ascii")
