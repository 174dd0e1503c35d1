"""Meshes as OBJ files, for what reads them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np

from protocol.mesh import MeshData


def write_obj(path: Path, mesh: MeshData) -> None:
    """Writes ``mesh`` with its polygons and texture coordinates."""
    path.write_text(_text(mesh), encoding="ascii", newline="\n")


def _text(mesh: MeshData) -> str:
    """``mesh`` as OBJ text, with texture coordinates where it has them; numbers read back exactly."""
    relative = mesh.origin.any() or mesh.scale != 1.0
    positions = mesh.positions() if relative else mesh.vertices
    lines = [f"v {x!s} {y!s} {z!s}" for x, y, z in positions]
    uv = mesh.attributes.get("uv")
    words = [str(vertex) for vertex in (mesh.face_indices + 1).tolist()]
    if uv is not None and uv.shape == (len(mesh.face_indices), 2):
        table, number = np.unique(np.asarray(uv, np.float32), axis=0, return_inverse=True)
        lines += [f"vt {u!s} {v!s}" for u, v in table]
        words = [f"{word}/{t + 1}" for word, t in zip(words, number.reshape(-1).tolist(), strict=True)]
    ends = mesh.face_offsets.tolist()
    lines += ["f " + " ".join(words[a:b]) for a, b in pairwise(ends)]
    return "\n".join(lines) + "\n"
