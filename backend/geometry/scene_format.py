"""STL and glTF through trimesh: no vertex is merged, the objects of a scene are joined as they stand in it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import trimesh

from backend.geometry.polygons import FormatError, Polygons


def parse_scene(data: bytes, kind: str, folder: Path) -> Polygons:
    """All triangle meshes of an STL, GLB or glTF file, in world space; ``folder`` holds the buffers beside a glTF."""
    try:
        scene = trimesh.load_scene(
            io.BytesIO(data),
            file_type=kind,
            resolver=trimesh.resolvers.FilePathResolver(str(folder)),
            process=False,
            maintain_order=True,
        )
        parts = [part for part in scene.dump() if isinstance(part, trimesh.Trimesh) and len(part.faces)]
    except Exception as error:  # whatever a broken file makes of the parser
        raise FormatError(f"it cannot be read as {kind.upper()} ({error}); copy or export it again") from error
    if not parts and kind == "stl":
        raise FormatError("no triangles were found in it; it is cut short or no STL file, so copy or export it again")
    if not parts:
        return Polygons(np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0, np.int64))
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    positions = np.concatenate([np.asarray(part.vertices, np.float64) for part in parts])
    faces = np.concatenate([np.asarray(p.faces, np.int64) + start for p, start in zip(parts, starts, strict=False)])
    tables = [_uv(part) for part in parts]
    uv = None
    if any(table is not None for table in tables):
        whole = [np.zeros((len(p.vertices), 2)) if t is None else t for p, t in zip(parts, tables, strict=True)]
        uv = np.ascontiguousarray(np.concatenate(whole)[faces.reshape(-1)], np.float32)
    return Polygons(positions, np.full(len(faces), 3, np.int64), faces.reshape(-1), uv)


def _uv(part: trimesh.Trimesh) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]] | None:
    """Texture coordinates of the vertices [V, 2], if the part has them."""
    uv = getattr(part.visual, "uv", None)
    return None if uv is None or np.shape(uv) != (len(part.vertices), 2) else np.asarray(uv, np.float64)
