"""OFF: polygons in the file's own vertex order; colours and normals are passed over."""

from __future__ import annotations

import numpy as np

from backend.geometry.polygons import FormatError, Polygons, numbers, whole_numbers


def parse_off(data: bytes) -> Polygons:
    """Vertices and faces of a text OFF file."""
    lines = [words for line in data.splitlines() if (words := line.split(b"#", 1)[0].split())]
    if not lines or not lines[0][0].upper().endswith(b"OFF"):
        raise FormatError("this is not an OFF file (its first word is not OFF); export it again")
    if any(word.upper() == b"BINARY" for word in lines[0]):
        raise FormatError("this is a binary OFF file; export it as text OFF or as PLY")
    rest = ([lines[0][1:]] if len(lines[0]) > 1 else []) + lines[1:]
    if not rest or len(rest[0]) < 2:
        raise FormatError("the OFF file has no line with the numbers of vertices and faces; export it again")
    n_vertices, n_faces = (int(n) for n in whole_numbers(rest[0][:2], "OFF count"))
    vertex_lines, face_lines = rest[1 : 1 + n_vertices], rest[1 + n_vertices : 1 + n_vertices + n_faces]
    complete = len(vertex_lines) == n_vertices and len(face_lines) == n_faces
    if not complete or any(len(words) < 3 for words in vertex_lines):
        raise FormatError(
            f"the file ends before its {n_vertices} vertices and {n_faces} faces are complete; copy or export it again"
        )
    positions = numbers([word for words in vertex_lines for word in words[:3]], "OFF coordinate").reshape(-1, 3)
    sizes = whole_numbers([words[0] for words in face_lines], "OFF face size")
    if any(len(words) <= size for words, size in zip(face_lines, sizes.tolist(), strict=True)):
        raise FormatError("a face of the OFF file has fewer corners than it says; copy or export it again")
    corners = [word for words, size in zip(face_lines, sizes.tolist(), strict=True) for word in words[1 : 1 + size]]
    return Polygons(positions, sizes.astype(np.int64), whole_numbers(corners, "OFF face index"))
