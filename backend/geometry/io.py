"""Mesh files: OBJ, PLY, OFF, STL, glTF in, PLY out. Nothing is merged or reordered; every fault is a ``MeshError``."""

from __future__ import annotations

from pathlib import Path

from backend.geometry.check import check_surface
from backend.geometry.obj_format import parse_obj
from backend.geometry.off_format import parse_off
from backend.geometry.ply_format import parse_ply, ply_bytes
from backend.geometry.polygons import FormatError, Polygons
from backend.geometry.scene_format import parse_scene
from protocol.mesh import MeshData, MeshError

SUFFIXES = (".obj", ".ply", ".off", ".stl", ".glb", ".gltf")


def read_mesh(path: str | Path) -> MeshData:
    """The mesh of a file: its polygons, its vertex order, and what it has of two attributes.

    They are ``uv`` [C, 2], texture coordinates of the corners, and ``color`` [V, 4], colours of the vertices in 0..1.
    The vertices of a triangle soup (STL) stay apart. Raises ``MeshError``, which names file, fault and remedy.
    """
    path = Path(path)
    return as_mesh(read_polygons(path), path)


def read_polygons(path: Path) -> Polygons:
    """Everything that a mesh file holds, not yet looked at."""
    try:
        return _parse(path)
    except FormatError as error:
        raise MeshError(f"{path}: {error}") from error


def as_mesh(found: Polygons, path: Path) -> MeshData:
    """The mesh among what was found in a file, once it is known to be a sound one."""
    offsets = found.offsets()
    check_surface(found.positions, offsets, found.indices, str(path))
    if max(len(found.positions), len(found.indices)) >= 2**31:
        raise MeshError(f"{path}: more than 2,147,483,647 vertices or corners; reduce the mesh")
    layers = {"uv": found.uv, "color": found.color}
    attributes = {name: values for name, values in layers.items() if values is not None}
    return MeshData.from_positions(found.positions, offsets, found.indices, attributes)


def write_ply(path: str | Path, mesh: MeshData) -> None:
    """Writes ``mesh`` as PLY (see ``ply_bytes``); the same mesh gives the same bytes."""
    Path(path).write_bytes(ply_bytes(mesh))


def _parse(path: Path) -> Polygons:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise FormatError(
            f"{suffix or 'a name without suffix'} is not a mesh format known here; use one of {', '.join(SUFFIXES)}"
        )
    data = file_bytes(path)
    if suffix == ".obj":
        return parse_obj(data)
    if suffix == ".ply":
        return parse_ply(data)
    if suffix == ".off":
        return parse_off(data)
    return parse_scene(data, suffix[1:], path.parent)


def file_bytes(path: Path) -> bytes:
    """What a file holds. Raises ``FormatError`` where it cannot be read, or is empty."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise FormatError("there is no such file; check the name and the folder") from None
    except IsADirectoryError:
        raise FormatError("this is a folder; name a file in it") from None
    except OSError as error:
        raise FormatError(
            f"it cannot be read ({error.strerror or error}); check the file and its permissions"
        ) from error
    if not data:
        raise FormatError("the file is empty; export it again")
    return data
