"""The glTF file: what it says by itself, and what the real Blender makes of it."""

from __future__ import annotations

import json
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

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
    with pytest.raises(ValueError, match="no faces"):
        write_morph_gltf(path, [sphere, triangle_mesh(np.zeros((0, 3)), np.zeros((0, 3), int))], 24)
    assert not path.exists()


SHOWN = """
import bpy, json, sys
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.context.scene.render.fps = 24
bpy.ops.import_scene.gltf(filepath=sys.argv[1])
things = sorted((o for o in bpy.data.objects if o.type == "MESH"), key=lambda o: o.name)
sizes = []
for frame in range(int(sys.argv[2])):
    bpy.context.scene.frame_set(frame)
    sizes.append([list(thing.scale) for thing in things])
faces = [len(thing.data.polygons) for thing in things]
print("FOUND" + json.dumps([faces, sizes, [[layer.name for layer in t.data.color_attributes] for t in things]]))
"""


def changing() -> list[MeshData]:
    """Frames with faces of their own, the second far from 0."""
    far = icosphere(2)
    far = MeshData.from_positions(far.positions() * 2.0**-20 + 1.0, far.face_offsets, far.face_indices)
    assert far.scale != 1.0
    colour = np.tile(np.array([1.0, 0.5, 0.0, 1.0], np.float32), (42, 1))
    return [replace(icosphere(1), attributes={"color": colour}), far, grid(4)]


def test_blender_shows_frames_of_changing_faces_one_after_the_other(blender_python: Path, tmp_path: Path) -> None:
    frames = changing()
    write_morph_gltf(tmp_path / "morph.glb", frames, 24)
    command = [blender_python, "-c", SHOWN, tmp_path / "morph.glb", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    assert lines, done.stdout[-2000:] + done.stderr[-2000:]
    faces, sizes, colours = json.loads(lines[0][5:])
    assert faces == [80, 320, 32]
    wanted = np.diag([frame.scale for frame in frames])
    np.testing.assert_allclose(np.array(sizes), np.repeat(wanted[:, :, None], 3, axis=2), rtol=1e-6)
    assert [bool(names) for names in colours] == [True, False, False]


def test_other_readers_find_every_frame_of_changing_faces(tmp_path: Path) -> None:
    frames = changing()
    write_morph_gltf(tmp_path / "morph.glb", frames, 24)
    scene = trimesh.load_scene(tmp_path / "morph.glb", process=False)
    for k, frame in enumerate(frames):
        matrix, name = scene.graph[f"frame_{k:04d}"]
        assert len(scene.geometry[name].faces) == len(frame.triangles())
        assert matrix[0, 0] == (frame.scale if k == 0 else 0.0)  # a viewer that plays nothing shows the first alone
        np.testing.assert_array_equal(scene.geometry[name].vertices.min(axis=0), frame.vertices.min(axis=0))


def test_the_same_faces_stay_morph_targets_with_colours(tmp_path: Path) -> None:
    colour = np.tile(np.array([0.0, 0.5, 1.0], np.float32), (42, 1))
    write_morph_gltf(tmp_path / "m.glb", moving(replace(icosphere(1), attributes={"color": colour}), 3), 24)
    data = (tmp_path / "m.glb").read_bytes()
    length = int.from_bytes(data[12:16], "little")
    document = json.loads(data[20 : 20 + length])
    assert len(document["nodes"]) == 1
    accessor = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]]
    start = 28 + length + document["bufferViews"][accessor["bufferView"]]["byteOffset"]
    np.testing.assert_allclose(np.frombuffer(data, "<f4", 3, start), [0.0, 0.2140, 1.0], atol=1e-4)  # linear light
