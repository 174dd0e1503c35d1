"""The glTF file: what it says by itself, and what the real Blender makes of it."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.export.gltf import write_morph_gltf
from backend.geometry.io import read_mesh
from protocol.mesh import MeshData
from tests.meshes import grid, icosphere, triangle_mesh

IMPORT = """
import bpy, json, sys
import numpy as np
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.render.fps = 24
bpy.ops.import_scene.gltf(filepath=sys.argv[1])
found = []
for thing in sorted(bpy.data.objects, key=lambda o: o.name):
    if thing.type != "MESH":
        continue
    mesh = thing.data
    blocks = mesh.shape_keys.key_blocks
    keys = []
    for block in blocks:
        co = np.empty(3 * len(mesh.vertices), np.float32)
        block.data.foreach_get("co", co)
        keys.append(co.tolist())
    values = []
    for k in range(len(blocks)):
        bpy.context.scene.frame_set(k)
        values.append([block.value for block in blocks])
    uv = [loop.uv[:] for layer in mesh.uv_layers for loop in layer.data]
    found.append({
        "name": thing.name, "keys": keys, "names": [b.name for b in blocks], "values": values, "uv": uv,
        "location": list(thing.location), "scale": list(thing.scale),
        "corner": [loop.vertex_index for loop in mesh.loops],
    })
print("FOUND" + json.dumps(found))
"""


def imported(python: Path, path: Path) -> list[dict[str, Any]]:
    """The objects that Blender makes of the file."""
    done = subprocess.run([python, "-c", IMPORT, path], capture_output=True, text=True, timeout=100, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    assert lines, done.stdout[-2000:] + done.stderr[-2000:]
    result: list[dict[str, Any]] = json.loads(lines[0][5:])
    return result


def z_up(positions: np.ndarray) -> np.ndarray:
    """glTF's y-up in Blender's z-up."""
    return np.stack([positions[:, 0], -positions[:, 2], positions[:, 1]], axis=1)


def moving(mesh: MeshData, n: int) -> list[MeshData]:
    wave = np.sin(5 * mesh.positions()[:, [1, 2, 0]])
    return [mesh.with_positions(mesh.positions() + mesh.scale * 0.3 * k * wave) for k in range(n)]


def test_blender_makes_shape_keys_of_it(blender_python: Path, tmp_path: Path) -> None:
    frames = moving(icosphere(2), 5)
    write_morph_gltf(tmp_path / "morph.glb", frames, 24)
    (thing,) = imported(blender_python, tmp_path / "morph.glb")
    assert thing["name"] == "morph"
    assert thing["names"][1:] == ["frame_0001", "frame_0002", "frame_0003", "frame_0004"]
    for key, frame in zip(thing["keys"], frames, strict=True):
        np.testing.assert_allclose(np.reshape(key, (-1, 3)), z_up(frame.positions()), atol=2e-6)
    np.testing.assert_allclose(np.array(thing["values"])[:, 1:], np.eye(5)[:, 1:], atol=1e-6)


def test_blender_keeps_texture_coordinates_and_far_places(blender_python: Path, tmp_path: Path) -> None:
    square = grid(3)
    uv = square.attributes["uv"].copy()
    uv[:8] += np.float32(0.5)  # a seam: vertices with several texture coordinates
    seam = MeshData.from_positions(square.positions() + 1e6, square.face_offsets, square.face_indices, {"uv": uv})
    frames = moving(seam, 3)
    write_morph_gltf(tmp_path / "far.glb", frames, 24)
    thing = imported(blender_python, tmp_path / "far.glb")[0]
    np.testing.assert_allclose(thing["location"], z_up(seam.origin[None])[0])
    corner = np.array(thing["corner"])
    for key, frame in zip(thing["keys"], frames, strict=True):
        wanted = z_up(frame.vertices[frame.triangles()].reshape(-1, 3)) * frame.scale
        np.testing.assert_allclose(np.reshape(key, (-1, 3))[corner] * thing["scale"], wanted, atol=1e-6)
    triangle_uv = MeshData(seam.vertices, seam.face_offsets, np.arange(len(uv), dtype=np.int32)).triangles()
    np.testing.assert_allclose(thing["uv"], uv[triangle_uv.reshape(-1)], atol=1e-6)


def test_the_file_is_sound_and_the_same_every_time(tmp_path: Path) -> None:
    frames = moving(icosphere(1), 3)
    for name in ("a", "b"):
        write_morph_gltf(tmp_path / f"{name}.glb", frames, 10)
    data = (tmp_path / "a.glb").read_bytes()
    assert data == (tmp_path / "b.glb").read_bytes()
    magic, version, total = struct.unpack_from("<4sII", data)
    assert (magic, version, total) == (b"glTF", 2, len(data))
    length, kind = struct.unpack_from("<I4s", data, 12)
    document = json.loads(data[20 : 20 + length])
    assert kind == b"JSON"
    assert document["buffers"][0]["byteLength"] == len(data) - 28 - length
    start = 28 + length
    for accessor in document["accessors"]:
        view = document["bufferViews"][accessor["bufferView"]]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}[accessor["type"]]
        assert view["byteLength"] == accessor["count"] * width * 4
        values = np.frombuffer(data, "<f4", accessor["count"] * width, start + view["byteOffset"]).reshape(-1, width)
        if "min" in accessor:
            np.testing.assert_array_equal(np.float32(accessor["min"]), values.min(axis=0))
            np.testing.assert_array_equal(np.float32(accessor["max"]), values.max(axis=0))


def test_our_own_reader_reads_the_first_frame(tmp_path: Path) -> None:
    frames = moving(grid(4), 3)
    write_morph_gltf(tmp_path / "morph.glb", frames, 24)
    mesh = read_mesh(tmp_path / "morph.glb")
    np.testing.assert_array_equal(mesh.vertices[mesh.triangles()], frames[0].vertices[frames[0].triangles()])
    corner = MeshData(mesh.vertices, frames[0].face_offsets, np.arange(64, dtype=np.int32)).triangles().reshape(-1)
    np.testing.assert_allclose(mesh.attributes["uv"], frames[0].attributes["uv"][corner], atol=1e-6)


def test_a_single_frame_has_no_animation(tmp_path: Path) -> None:
    write_morph_gltf(tmp_path / "still.glb", [icosphere(1)], 24)
    assert read_mesh(tmp_path / "still.glb").n_faces == 80


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    path = tmp_path / "no.glb"
    sphere = icosphere(1)
    with pytest.raises(ValueError, match="no frames"):
        write_morph_gltf(path, [], 24)
    with pytest.raises(ValueError, match="must be above 0"):
        write_morph_gltf(path, [sphere], 0)
    with pytest.raises(ValueError, match="faces change"):
        write_morph_gltf(path, [sphere, triangle_mesh(sphere.positions(), sphere.triangles()[::-1])], 24)
    assert not path.exists()
