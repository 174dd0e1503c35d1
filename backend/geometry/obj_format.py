"""Wavefront OBJ: polygons, lines, texture coordinates and normals, in the file's own vertex order."""

from __future__ import annotations

import numpy as np

from backend.geometry.arrays import Float32, Float64, Int64
from backend.geometry.polygons import FormatError, Polygons, numbers, whole_numbers


def parse_obj(data: bytes) -> Polygons:
    """All vertices (unused ones too), all faces and lines and, where corners have them, texture coordinates.

    Normals are taken from a file without faces that has one for every vertex, as point clouds do.
    """
    vertex_lines: list[bytes] = []
    uv_lines: list[bytes] = []
    normal_lines: list[bytes] = []
    face_lines: list[bytes] = []
    polylines: list[tuple[int, bytes]] = []  # vertices before each, for negative indices
    seen: list[tuple[int, int]] = []  # vertices and texture coordinates before each face, for negative indices
    for line in data.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").splitlines():
        if b"#" in line:
            line = line.split(b"#", 1)[0]
        head, _, rest = line.lstrip().replace(b"\t", b" ").partition(b" ")
        if head == b"v":
            vertex_lines.append(rest)
        elif head == b"f":
            face_lines.append(rest)
            seen.append((len(vertex_lines), len(uv_lines)))
        elif head == b"vt":
            uv_lines.append(rest)
        elif head == b"vn":
            normal_lines.append(rest)
        elif head == b"l":
            polylines.append((len(vertex_lines), rest))
    sizes = np.array([len(line.split()) for line in face_lines], np.int64)
    before = np.repeat(np.array(seen, np.int64).reshape(-1, 2), sizes, axis=0)  # [C, 2]
    corners = _corners(b" ".join(face_lines))  # [C, 2], from 1, from the end where negative, 0: none
    indices = np.where(corners < 0, before + corners, corners - 1)
    if (corners[:, 0] == 0).any():
        raise FormatError("a face uses vertex 0, but OBJ counts from 1; export it again")
    positions = _columns(vertex_lines, 3, "vertex coordinate")
    of_points = not face_lines and vertex_lines and len(normal_lines) == len(vertex_lines)
    return Polygons(
        positions,
        sizes,
        indices[:, 0],
        _corner_uv(uv_lines, corners[:, 1], indices[:, 1]),
        normals=_columns(normal_lines, 3, "normal") if of_points else None,
        segments=_segments(polylines, len(vertex_lines)),
    )


def _segments(polylines: list[tuple[int, bytes]], n_vertices: int) -> Int64 | None:
    """The lines [S, 2] between the vertices of each polyline ``v1 v2 v3 ...``, ``None`` without any."""
    pieces = []
    for before, text in polylines:
        given = _corners(text)[:, 0]
        used = np.where(given < 0, before + given, given - 1)
        if (given == 0).any() or (used < 0).any() or (used >= n_vertices).any():
            raise FormatError(
                f"a line refers to a vertex that does not exist (there are {n_vertices}); the file is incomplete or "
                "damaged, export it again"
            )
        pieces.append(np.stack([used[:-1], used[1:]], axis=1))
    return np.concatenate(pieces) if pieces else None


def _columns(lines: list[bytes], n: int, what: str) -> Float64:
    """The first ``n`` columns of ``lines``."""
    tokens = b" ".join(lines).split()
    if len(tokens) == n * len(lines) and (not lines or len(lines[0].split()) == n):
        values = numbers(tokens, what).reshape(-1, n)
        return values
    rows = [line.split()[:n] for line in lines]
    short = next((k for k, row in enumerate(rows) if len(row) < n), None)
    if short is not None:
        raise FormatError(
            f"{what} line {short + 1} has fewer than {n} numbers; the file is incomplete, export it again"
        )
    return numbers([token for row in rows for token in row], what).reshape(-1, n)


def _corners(text: bytes) -> Int64:
    """Vertex and texture index [C, 2] of every corner ``v``, ``v/t``, ``v//n`` or ``v/t/n``; 0 where left out."""
    tokens = text.split()
    slashes = text.count(b"/")
    if not tokens:
        return np.zeros((0, 2), np.int64)
    if slashes == 0:
        vertices = whole_numbers(tokens, "face index")
        return np.stack([vertices, np.zeros_like(vertices)], axis=1)
    per_corner = tokens[0].count(b"/")
    full = text.replace(b"//", b"/0/") if per_corner == 2 else text
    fields = full.replace(b"/", b" ").split()
    # Equal totals could still hide corners of different forms that even out, so every corner is looked at.
    even = slashes == per_corner * len(tokens) and len(fields) == (per_corner + 1) * len(tokens)
    if even and all(token.count(b"/") == per_corner for token in tokens):
        return whole_numbers(fields, "face index").reshape(-1, per_corner + 1)[:, :2]
    parts = [(*token.split(b"/"), b"")[:2] for token in tokens]
    return whole_numbers([part or b"0" for pair in parts for part in pair], "face index").reshape(-1, 2)


def _corner_uv(lines: list[bytes], given: Int64, indices: Int64) -> Float32 | None:
    """Texture coordinates [C, 2]; 0 at corners without, ``None`` when no corner has any."""
    has = given != 0
    if not has.any():
        return None
    table = _columns(lines, 2, "texture coordinate") if lines else np.zeros((0, 2))
    used = indices[has]
    if (used < 0).any() or (used >= len(table)).any():
        raise FormatError(
            f"faces refer to texture coordinates that do not exist (there are {len(table)}); the file is incomplete or "
            "damaged, export it again"
        )
    uv = np.zeros((len(given), 2), np.float32)
    uv[has] = table[used]
    return uv
