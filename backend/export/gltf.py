"""glTF 2.0 export: a morph as one binary file with an animation that plays its frames.

Frames with the same faces become morph targets of one mesh; others an object each, shown one after the other.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import igl
import numpy as np
from numpy.typing import NDArray

from protocol.mesh import MeshData

FLOAT, UINT32 = 5126, 5125  # component types, glTF 2.0 section 3.6.2.2
VERTEX_DATA, INDEX_DATA = 34962, 34963  # buffer view targets
KINDS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
LARGEST_FILE = 2**32 - 1  # bytes; the file's own length field has 32 bits


def write_morph_gltf(path: str | Path, frames: Sequence[MeshData], fps: float) -> None:
    """Writes ``frames`` as a ``.glb`` that plays at ``fps``.

    With the same faces in all, the first frame is the mesh, every later one a morph target, and frames blend linearly.
    Otherwise every frame is an object that has its size while it is shown and size 0 before and after, which every
    viewer understands. Polygons become triangles, and a vertex with several texture coordinates becomes several
    vertices. A mesh far from 0 keeps its precision: its origin and scale stand in the node.
    """
    if not frames:
        raise ValueError("there are no frames to write")
    if not fps > 0.0:
        raise ValueError(f"frames per second are {fps:g}; they must be above 0")
    if any(not mesh.n_faces for mesh in frames):
        raise ValueError("a frame has no faces, and glTF knows no empty mesh; bake at a higher resolution")
    file = _File()
    if all(mesh.same_faces(frames[0]) for mesh in frames):
        moments = file.add(np.arange(len(frames), dtype=np.float32)[:, None] / np.float32(fps), bounds=True)
        _add_object(file, "morph", frames, moments)
    else:
        for k, mesh in enumerate(frames):
            _add_object(file, f"frame_{k:04d}", [mesh], None)
            _show_only(file, mesh.scale, k, len(frames), fps)
    Path(path).write_bytes(file.bytes())


@dataclass(eq=False)
class _File:
    """The parts of a GLB file as they come together."""

    chunks: list[bytes] = field(default_factory=list)
    size: int = 0
    views: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)
    meshes: list[dict[str, Any]] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    samplers: list[dict[str, Any]] = field(default_factory=list)
    channels: list[dict[str, Any]] = field(default_factory=list)

    def add(self, values: NDArray[Any], target: int | None = None, bounds: bool = False) -> int:
        """Adds an array [N, k] of float32 or uint32; the number of its accessor."""
        data = np.ascontiguousarray(values).tobytes()
        view: dict[str, Any] = {"buffer": 0, "byteOffset": self.size, "byteLength": len(data)}
        if target is not None:
            view["target"] = target
        accessor: dict[str, Any] = {
            "bufferView": len(self.views),
            "componentType": UINT32 if values.dtype == np.uint32 else FLOAT,
            "count": len(values),
            "type": KINDS[values.shape[1]],
        }
        if bounds:
            accessor |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
        self.views.append(view)
        self.accessors.append(accessor)
        self.chunks.append(data)
        self.size += len(data)
        return len(self.accessors) - 1

    def bytes(self) -> bytes:
        """The whole file: header, JSON, binary data (glTF 2.0, section 4.4)."""
        document: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": "Tweenfield"},
            "scene": 0,
            "scenes": [{"nodes": list(range(len(self.nodes)))}],
            "nodes": self.nodes,
            "meshes": self.meshes,
            "materials": [
                {
                    "name": "morph",
                    "doubleSided": True,
                    "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.7},
                }
            ],
            "accessors": self.accessors,
            "bufferViews": self.views,
            "buffers": [{"byteLength": self.size}],
        }
        if self.channels:
            document["animations"] = [{"name": "morph", "samplers": self.samplers, "channels": self.channels}]
        text = json.dumps(document, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + self.size  # every array has items of 4 bytes, so nothing needs padding
        if total > LARGEST_FILE:
            raise ValueError(f"the glTF file would have {total} bytes, more than its format allows; bake fewer frames")
        return b"".join(
            [
                struct.pack("<4sII", b"glTF", 2, total),
                struct.pack("<I4s", len(text), b"JSON"),
                text,
                struct.pack("<I4s", self.size, b"BIN\0"),
                *self.chunks,
            ]
        )


def _show_only(file: _File, scale: float, number: int, count: int, fps: float) -> None:
    """Animates the last node that was added: full size during its own frame, size 0 else."""
    keys = sorted({0, number, min(number + 1, count - 1)})
    sizes = np.array([scale if key == number else 0.0 for key in keys], np.float32)
    file.samplers.append(
        {
            "input": file.add(np.array(keys, np.float32)[:, None] / np.float32(fps), bounds=True),
            "output": file.add(np.repeat(sizes[:, None], 3, axis=1)),
            "interpolation": "STEP",
        }
    )
    target = {"node": len(file.nodes) - 1, "path": "scale"}
    file.channels.append({"sampler": len(file.samplers) - 1, "target": target})
    if number > 0:
        file.nodes[-1]["scale"] = [0.0] * 3  # a viewer that plays nothing shows the first frame


def _add_object(file: _File, name: str, meshes: Sequence[MeshData], moments: int | None) -> None:
    """Adds mesh and node of one object, and the animation of its further shapes at ``moments``."""
    first = meshes[0]
    vertex, triangles, uv = _split(first)
    positions = [_relative(mesh, first)[vertex] for mesh in meshes]
    normals = [_normals(points, triangles) for points in positions]
    attributes = {
        "POSITION": file.add(positions[0], VERTEX_DATA, bounds=True),
        "NORMAL": file.add(normals[0], VERTEX_DATA),
    }
    if uv is not None:
        attributes["TEXCOORD_0"] = file.add(uv, VERTEX_DATA)
    colours = first.attributes.get("color")
    if colours is not None and len(colours) == first.n_vertices and colours.shape[1:] in ((3,), (4,)):
        attributes["COLOR_0"] = file.add(_linear(colours)[vertex], VERTEX_DATA)
    primitive: dict[str, Any] = {
        "attributes": attributes,
        "indices": file.add(triangles.reshape(-1, 1).astype(np.uint32), INDEX_DATA),
        "material": 0,
    }
    later = range(1, len(meshes))
    node: dict[str, Any] = {"name": name, "mesh": len(file.meshes)}
    if first.origin.any():
        node["translation"] = first.origin.tolist()
    if first.scale != 1.0:
        node["scale"] = [first.scale] * 3
    if later:
        primitive["targets"] = [
            {
                "POSITION": file.add(positions[k] - positions[0], VERTEX_DATA, bounds=True),
                "NORMAL": file.add(normals[k] - normals[0], VERTEX_DATA),
            }
            for k in later
        ]
        weights = np.eye(len(meshes), dtype=np.float32)[:, 1:].reshape(-1, 1)  # frame k shows target k alone
        file.samplers.append({"input": moments, "output": file.add(weights), "interpolation": "LINEAR"})
        target = {"node": len(file.nodes), "path": "weights"}
        file.channels.append({"sampler": len(file.samplers) - 1, "target": target})
    mesh: dict[str, Any] = {"name": name, "primitives": [primitive]}
    if later:
        mesh |= {"weights": [0.0] * len(later), "extras": {"targetNames": [f"frame_{k:04d}" for k in later]}}
    file.meshes.append(mesh)
    file.nodes.append(node)


def _relative(mesh: MeshData, first: MeshData) -> NDArray[np.float32]:
    """Vertices [V, 3] in the first frame's origin and scale."""
    if mesh.scale == first.scale and np.array_equal(mesh.origin, first.origin):
        return mesh.vertices
    return np.asarray((mesh.positions() - first.origin) / first.scale, np.float32)


def _split(
    mesh: MeshData,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32] | None]:
    """Vertex of every exported vertex [N], triangles of those [T, 3], and their texture coordinates [N, 2]."""
    uv = mesh.attributes.get("uv")
    if uv is None or uv.shape != (len(mesh.face_indices), 2):
        return np.arange(mesh.n_vertices), mesh.triangles().astype(np.int64), None
    table = np.asarray(uv, np.float32)
    key = np.empty(len(table), [("vertex", np.int64), ("u", np.float32), ("v", np.float32)])
    key["vertex"], key["u"], key["v"] = mesh.face_indices, table[:, 0] + 0.0, table[:, 1] + 0.0
    distinct, number = np.unique(key, return_inverse=True)
    # Every corner now has a vertex of its own kind; the fan of each polygon is the same as before.
    corners = MeshData(
        vertices=mesh.vertices[:0],
        face_offsets=mesh.face_offsets,
        face_indices=number.reshape(-1).astype(np.int32),
    )
    # glTF counts v from the top.
    coordinates = np.stack([distinct["u"], 1.0 - distinct["v"]], axis=1).astype(np.float32)
    return distinct["vertex"], corners.triangles().astype(np.int64), coordinates


def _linear(colours: NDArray[np.generic]) -> NDArray[np.float32]:
    """sRGB colours [V, 3 or 4] in linear light, as glTF has those of vertices; alpha stays."""
    found = np.array(colours, np.float64)
    light = found[:, :3]
    found[:, :3] = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    return found.astype(np.float32)


def _normals(points: NDArray[np.float32], triangles: NDArray[np.int64]) -> NDArray[np.float32]:
    """Unit vertex normals [N, 3], by area; upwards where a vertex has none."""
    found = np.asarray(igl.per_vertex_normals(np.ascontiguousarray(points, np.float64), triangles), np.float64)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    sound = np.isfinite(length) & (length > 0.0)
    unit = np.where(sound, found / np.where(sound, length, 1.0), [0.0, 1.0, 0.0])
    return np.ascontiguousarray(unit, np.float32)
