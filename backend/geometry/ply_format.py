"""PLY, text and binary: polygons, lines, texture coordinates, colours and normals, in the file's vertex order."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from backend.geometry.arrays import Float32, Float64, Int64
from backend.geometry.polygons import FormatError, Polygons, numbers, whole
from protocol.mesh import MeshData

TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
UV_NAMES = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"))
COLOR_NAMES = (("red", "green", "blue", "alpha"), ("r", "g", "b", "a"))
NORMAL_NAMES = ("nx", "ny", "nz")
EDGE_NAMES = ("vertex1", "vertex2")
INDEX_NAMES = ("vertex_indices", "vertex_index")


@dataclass(frozen=True)
class _Property:
    name: str
    type: str  # numpy code without byte order
    count_type: str = ""  # of a list's length; empty for a single number


@dataclass(frozen=True)
class _Element:
    name: str
    count: int
    properties: tuple[_Property, ...]


@dataclass(frozen=True, eq=False)
class _List:
    """A list property of all rows of an element."""

    sizes: Int64
    values: NDArray[np.generic]


_Columns = dict[str, "NDArray[np.generic] | _List"]


def parse_ply(data: bytes) -> Polygons:
    """Vertices and faces of a PLY file; other elements and properties are passed over."""
    order, elements, start = _header(data)
    tables: dict[str, _Columns] = {}
    if order == "ascii":
        tokens = data[start:].split()
        at = 0
        for element in elements:
            tables[element.name], at = _read_text(element, tokens, at)
    else:
        at = start
        for element in elements:
            tables[element.name], at = _read_binary(element, data, at, order)
    types = {p.name: p.type for element in elements if element.name == "vertex" for p in element.properties}
    return _polygons(tables, types)


def _header(data: bytes) -> tuple[str, list[_Element], int]:
    """Byte order (``ascii``, ``<`` or ``>``), elements, and where the header ends."""
    end = data.find(b"end_header")
    if not data.startswith(b"ply") or end < 0:
        raise FormatError("this is not a PLY file (no PLY header); export it again")
    newline = data.find(b"\n", end)
    start = len(data) if newline < 0 else newline + 1
    order = ""
    elements: list[_Element] = []
    for line in data[:end].decode("ascii", errors="replace").splitlines()[1:]:
        words = line.split()
        if words[:1] == ["format"]:
            formats = {"ascii": "ascii", "binary_little_endian": "<", "binary_big_endian": ">"}
            order = formats.get(words[1] if len(words) > 1 else "", "")
        elif words[:1] == ["element"] and len(words) == 3 and words[2].isdigit():
            elements.append(_Element(words[1], int(words[2]), ()))
        elif words[:1] == ["property"]:
            if not elements:
                raise FormatError("the PLY header has a property before any element; export it again")
            last = elements[-1]
            elements[-1] = _Element(last.name, last.count, (*last.properties, _property(words)))
    if not order:
        raise FormatError("the PLY header names no known format; export it as text or binary PLY")
    return order, [element for element in elements if element.properties], start


def _property(words: list[str]) -> _Property:
    if len(words) == 5 and words[1] == "list" and words[2] in TYPES and words[3] in TYPES:
        return _Property(words[4], TYPES[words[3]], TYPES[words[2]])
    if len(words) == 3 and words[1] in TYPES:
        return _Property(words[2], TYPES[words[1]])
    raise FormatError(f"the PLY header has a line that cannot be read: {' '.join(words)!r}; export it again")


def _read_text(element: _Element, tokens: list[bytes], at: int) -> tuple[_Columns, int]:
    if not any(p.count_type for p in element.properties):
        width = len(element.properties)
        end = at + width * element.count
        if end > len(tokens):
            raise _cut_short(element)
        table = numbers(tokens[at:end], f"PLY {element.name} value").reshape(-1, width)
        return {p.name: table[:, k] for k, p in enumerate(element.properties)}, end
    found: dict[str, list[bytes]] = {p.name: [] for p in element.properties}
    sizes: dict[str, list[int]] = {p.name: [] for p in element.properties if p.count_type}
    try:
        for _ in range(element.count):
            for p in element.properties:
                size = 1
                if p.count_type:
                    size = int(tokens[at])
                    sizes[p.name].append(size)
                    at += 1
                found[p.name] += tokens[at : at + size]
                at += size
    except (IndexError, ValueError):
        raise _cut_short(element) from None
    if at > len(tokens):
        raise _cut_short(element)
    columns: _Columns = {}
    for p in element.properties:
        values = numbers(found[p.name], f"PLY {element.name} value")
        columns[p.name] = _List(np.array(sizes[p.name], np.int64), values) if p.count_type else values
    return columns, at


def _read_binary(element: _Element, data: bytes, at: int, order: str) -> tuple[_Columns, int]:
    """All rows at once when every list is as long as in the first row; row by row otherwise."""
    lengths: list[int] = []
    place = at
    for p in element.properties:
        if element.count and p.count_type:
            lengths.append(_number(data, place, order + p.count_type, element))
            place += np.dtype(p.count_type).itemsize + lengths[-1] * np.dtype(p.type).itemsize
        else:
            lengths.append(1)
            place += np.dtype(p.type).itemsize
    fields: list[tuple[str, str] | tuple[str, str, tuple[int, ...]]] = []
    for k, (p, length) in enumerate(zip(element.properties, lengths, strict=True)):
        if p.count_type:
            fields += [(f"count{k}", order + p.count_type), (f"value{k}", order + p.type, (length,))]
        else:
            fields.append((f"value{k}", order + p.type))
    row = np.dtype(fields)
    end = at + row.itemsize * element.count
    if end <= len(data):
        table = np.frombuffer(data, row, element.count, at)
        lists = [k for k, p in enumerate(element.properties) if p.count_type]
        if all((table[f"count{k}"] == lengths[k]).all() for k in lists):
            columns: _Columns = {}
            for k, p in enumerate(element.properties):
                values = table[f"value{k}"]
                sizes = np.full(element.count, lengths[k], np.int64)
                columns[p.name] = _List(sizes, values.reshape(-1)) if p.count_type else values
            return columns, end
    if not any(p.count_type for p in element.properties):
        raise _cut_short(element)
    return _read_rows(element, data, at, order)


def _read_rows(element: _Element, data: bytes, at: int, order: str) -> tuple[_Columns, int]:
    pieces: dict[str, list[NDArray[np.generic]]] = {p.name: [] for p in element.properties}
    sizes: dict[str, list[int]] = {p.name: [] for p in element.properties}
    kinds = [
        (p.name, np.dtype(order + p.type), order + p.count_type if p.count_type else "") for p in element.properties
    ]
    for _ in range(element.count):
        for name, kind, count_type in kinds:
            size = 1
            if count_type:
                size = _number(data, at, count_type, element)
                at += np.dtype(count_type).itemsize
            end = at + size * kind.itemsize
            if end > len(data) or size < 0:
                raise _cut_short(element)
            pieces[name].append(np.frombuffer(data, kind, size, at))
            sizes[name].append(size)
            at = end
    columns: _Columns = {}
    for p in element.properties:
        values = np.concatenate(pieces[p.name]) if pieces[p.name] else np.zeros(0, p.type)
        columns[p.name] = _List(np.array(sizes[p.name], np.int64), values) if p.count_type else values
    return columns, at


def _number(data: bytes, at: int, kind: str, element: _Element) -> int:
    if at + np.dtype(kind).itemsize > len(data):
        raise _cut_short(element)
    return int(np.frombuffer(data, kind, 1, at)[0])


def _cut_short(element: _Element) -> FormatError:
    return FormatError(
        f"the file ends before its {element.count} rows of {element.name!r} are complete, or they are damaged; "
        "copy or export it again"
    )


def _polygons(tables: dict[str, _Columns], types: dict[str, str]) -> Polygons:
    """``types``: numpy codes of the vertex properties."""
    vertex = tables.get("vertex", {})
    axes = [vertex.get(axis) for axis in "xyz"]
    if not vertex:
        return Polygons(np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0, np.int64))
    if not all(isinstance(axis, np.ndarray) for axis in axes):
        raise FormatError("the vertices of this PLY file have no x, y and z; export it again")
    positions = np.stack([np.asarray(axis, np.float64) for axis in axes], axis=1)
    face = tables.get("face", {})
    lists = [face[name] for name in INDEX_NAMES if name in face]
    faces = lists[0] if lists and isinstance(lists[0], _List) else _List(np.zeros(0, np.int64), np.zeros(0, np.int64))
    indices = whole(faces.values, "face index")
    return Polygons(
        positions,
        faces.sizes,
        indices,
        _uv(vertex, face, faces.sizes, indices),
        _color(vertex, types),
        _stacked(vertex, NORMAL_NAMES),
        _edges(tables.get("edge", {}), len(positions)),
    )


def _stacked(columns: _Columns, names: tuple[str, ...]) -> Float64 | None:
    """The columns of these names [N, K], ``None`` unless all are there."""
    found = [columns.get(name) for name in names]
    if not all(isinstance(column, np.ndarray) for column in found):
        return None
    return np.stack([np.asarray(column, np.float64) for column in found], axis=1)


def _edges(edge: _Columns, n_vertices: int) -> Int64 | None:
    """The lines [S, 2] between vertices."""
    table = _stacked(edge, EDGE_NAMES)
    if table is None:
        return None
    segments = whole(table, "edge index")
    if len(segments) and (segments.min() < 0 or segments.max() >= n_vertices):
        raise FormatError(f"an edge refers to a vertex that does not exist (there are {n_vertices}); export it again")
    return segments


def _uv(vertex: _Columns, face: _Columns, sizes: Int64, indices: Int64) -> Float32 | None:
    """Texture coordinates of the corners [C, 2], from the faces or else from the vertices."""
    wedge = face.get("texcoord")
    if isinstance(wedge, _List) and np.array_equal(wedge.sizes, 2 * sizes):
        return np.asarray(wedge.values, np.float32).reshape(-1, 2)
    for names in UV_NAMES:
        pair = [vertex.get(name) for name in names]
        if all(isinstance(column, np.ndarray) for column in pair):
            table = np.stack([np.asarray(column, np.float32) for column in pair], axis=1)
            if not len(indices) or (indices.min() >= 0 and indices.max() < len(table)):
                return np.ascontiguousarray(table[indices])
    return None


def _color(vertex: _Columns, types: dict[str, str]) -> Float32 | None:
    """Colours of the vertices [V, 4] in 0..1, whole numbers over the largest of their type; opaque without alpha."""
    for names in COLOR_NAMES:
        if not all(isinstance(vertex.get(name), np.ndarray) for name in names[:3]):
            continue
        color = np.ones((len(np.asarray(vertex[names[0]])), 4), np.float32)
        for channel, name in enumerate(names):
            if isinstance(vertex.get(name), np.ndarray):
                kind = np.dtype(types[name])
                full = np.iinfo(kind).max if kind.kind in "iu" else 1.0
                color[:, channel] = np.asarray(vertex[name], np.float64) / full
        return np.clip(np.nan_to_num(color, nan=0.0), 0.0, 1.0)
    return None


def ply_bytes(mesh: MeshData) -> bytes:
    """``mesh`` as PLY: float32 when its origin is 0 and its scale 1, else float64 object-space positions.

    Binary when all faces have equally many corners; text otherwise, because common readers (trimesh among them) take
    every binary face to be as long as the first. Colours of vertices have 8 bits a channel. Texture coordinates are
    left out: the same readers split vertices by them, and the vertex order would be lost.
    """
    relative = bool(mesh.origin.any()) or mesh.scale != 1.0
    sizes = np.diff(mesh.face_offsets)
    uniform = bool((sizes == sizes[:1]).all()) and (not len(sizes) or sizes[0] < 256)
    real = "double" if relative else "float"
    color = _bytes_of_color(mesh)
    channels = "" if color is None else "".join(f"property uchar {name}\n" for name in COLOR_NAMES[0])
    header = (
        f"ply\nformat {'binary_little_endian' if uniform else 'ascii'} 1.0\ncomment Tweenfield\n"
        f"element vertex {mesh.n_vertices}\nproperty {real} x\nproperty {real} y\nproperty {real} z\n{channels}"
        f"element face {mesh.n_faces}\nproperty list uchar int vertex_indices\nend_header\n"
    ).replace("list uchar", "list uchar" if uniform or sizes.max() < 256 else "list int")
    positions = np.asarray(mesh.positions() if relative else mesh.vertices, "<f8" if relative else "<f4")
    if not uniform:
        lines = [f"{x!s} {y!s} {z!s}" for x, y, z in positions]
        if color is not None:
            lines = [" ".join([line, *map(str, row)]) for line, row in zip(lines, color.tolist(), strict=True)]
        corners, ends = mesh.face_indices.tolist(), mesh.face_offsets.tolist()
        for a, b in pairwise(ends):
            lines.append(" ".join(map(str, [b - a, *corners[a:b]])))
        return (header + "\n".join(lines) + "\n").encode("ascii")
    if color is not None:
        vertices = np.empty(mesh.n_vertices, np.dtype([("position", positions.dtype, (3,)), ("color", "u1", (4,))]))
        vertices["position"], vertices["color"] = positions, color
        positions = vertices
    size = int(sizes[0]) if len(sizes) else 3
    rows = np.empty(mesh.n_faces, np.dtype([("size", "u1"), ("corners", "<i4", (size,))]))
    rows["size"] = size
    rows["corners"] = mesh.face_indices.reshape(-1, size)
    return header.encode("ascii") + positions.tobytes() + rows.tobytes()


def _bytes_of_color(mesh: MeshData) -> NDArray[np.uint8] | None:
    """Colours of the vertices [V, 4] as bytes; ``None`` without, or where the corners have them."""
    color = mesh.attributes.get("color")
    if color is None or color.shape not in ((mesh.n_vertices, 3), (mesh.n_vertices, 4)):
        return None
    whole = np.full((mesh.n_vertices, 4), 255, np.uint8)
    whole[:, : color.shape[1]] = np.round(255.0 * np.clip(np.asarray(color, np.float64), 0.0, 1.0))
    return whole
