"""Mesh files: full precision, the file's own vertices and polygons, and errors that say what to do."""

from __future__ import annotations

import contextlib
import struct
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from backend.geometry.io import read_mesh, write_ply
from protocol.mesh import MeshData, MeshError
from tests.meshes import grid, icosphere, torus, triangle_mesh
from tests.obj_file import write_obj
from tests.shared_data import shared_data


def mixed_polygons() -> MeshData:
    """A triangle, a quad and a pentagon over ten vertices, two of them in no face."""
    points = np.random.default_rng(1).normal(size=(10, 3))
    return MeshData.from_positions(points, [0, 3, 7, 12], [0, 1, 2, 2, 1, 3, 4, 4, 3, 5, 6, 7])


def assert_same(a: MeshData, b: MeshData) -> None:
    np.testing.assert_array_equal(a.positions(), b.positions())
    np.testing.assert_array_equal(a.face_offsets, b.face_offsets)
    np.testing.assert_array_equal(a.face_indices, b.face_indices)


MESHES: list[Callable[[], MeshData]] = [icosphere, torus, grid, mixed_polygons]


@pytest.mark.parametrize("make", MESHES)
@pytest.mark.parametrize("suffix", ["ply", "obj"])
def test_what_is_written_reads_back_bit_for_bit(make: Callable[[], MeshData], suffix: str, tmp_path: Path) -> None:
    mesh = make()
    path = tmp_path / f"mesh.{suffix}"
    (write_ply if suffix == "ply" else write_obj)(path, mesh)
    first = path.read_bytes()
    assert_same(read_mesh(path), mesh)
    (write_ply if suffix == "ply" else write_obj)(path, mesh)
    assert path.read_bytes() == first


def test_obj_keeps_texture_coordinates_of_corners(tmp_path: Path) -> None:
    mesh = grid()
    write_obj(tmp_path / "grid.obj", mesh)
    np.testing.assert_array_equal(read_mesh(tmp_path / "grid.obj").attributes["uv"], mesh.attributes["uv"])


@pytest.mark.parametrize("make", MESHES[:3])
def test_trimesh_reads_our_ply_with_the_vertex_order_kept(make: Callable[[], MeshData], tmp_path: Path) -> None:
    mesh = make()
    write_ply(tmp_path / "mesh.ply", mesh)
    found = trimesh.load(tmp_path / "mesh.ply", process=False, force="mesh", maintain_order=True)
    np.testing.assert_array_equal(np.asarray(found.vertices, np.float32), mesh.vertices)
    assert len(found.faces) == len(mesh.triangles())
    assert found.area == pytest.approx(trimesh.Trimesh(mesh.vertices, mesh.triangles(), process=False).area, rel=1e-3)


def test_trimesh_reads_triangles_and_quads_together(tmp_path: Path) -> None:
    mesh = MeshData.from_positions(np.eye(4, 3) + 0.25, [0, 3, 7], [0, 1, 2, 0, 1, 2, 3])
    write_ply(tmp_path / "mixed.ply", mesh)
    found = trimesh.load(tmp_path / "mixed.ply", process=False, force="mesh", maintain_order=True)
    assert found.vertices.shape == (4, 3)
    assert found.faces.shape == (3, 3)


def test_blender_reads_our_ply(blender_python: Path, tmp_path: Path) -> None:
    for name, mesh in {"torus": torus(8, 6), "mixed": mixed_polygons(), "far": far_sphere()}.items():
        write_ply(tmp_path / f"{name}.ply", mesh)
        code = (
            "import bpy, sys\n"
            f"bpy.ops.wm.ply_import(filepath={str(tmp_path / f'{name}.ply')!r}, forward_axis='Y', up_axis='Z')\n"
            "m = bpy.context.object.data\n"
            "print('FOUND', len(m.vertices), len(m.polygons), *m.vertices[0].co)\n"
        )
        done = subprocess.run([blender_python, "-c", code], capture_output=True, text=True, timeout=90, check=False)
        line = next((line for line in done.stdout.splitlines() if line.startswith("FOUND")), done.stdout + done.stderr)
        words = line.split()
        assert words[1:3] == [str(mesh.n_vertices), str(mesh.n_faces)], line
        np.testing.assert_allclose([float(word) for word in words[3:]], mesh.positions()[0], rtol=1e-6)


def far_sphere() -> MeshData:
    sphere = icosphere(2)
    return triangle_mesh(sphere.positions() + np.array([1e6, -2e6, 3e6]), sphere.triangles())


def test_a_mesh_far_from_zero_keeps_its_detail(tmp_path: Path) -> None:
    mesh = far_sphere()
    write_ply(tmp_path / "far.ply", mesh)
    assert b"property double x" in (tmp_path / "far.ply").read_bytes()[:200]
    assert_same(read_mesh(tmp_path / "far.ply"), mesh)
    radius = np.linalg.norm(read_mesh(tmp_path / "far.ply").positions() - [1e6, -2e6, 3e6], axis=1)
    assert np.abs(radius - 1).max() < 1e-6


OBJ_FORMS = {
    "plain": "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 9 9 9\nf 1 2 3\n",
    "slashes": "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 9 9 9\nvt 0 0\nvn 0 0 1\nf 1/1/1 2/1/1 3/1/1\n",
    "normals only": "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 9 9 9\nvn 0 0 1\nf 1//1 2//1 3//1\n",
    "negative": "v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 9 9 9\n",
    "mixed forms": "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 9 9 9\nvt 0 0\nvn 0 0 1\nf 1 2/1 3//1\n",
    "uneven forms": "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 9 9 9\nvt 0 0\nvn 0 0 1\nf 1/1 2 3/1/1\n",
    "colours": "v 0 0 0 1 0 0\nv 1 0 0 1 0 0\nv 0 1 0 1 0 0\nv 9 9 9 1 0 0\nf 1 2 3\n",
    "weights here and there": "v 0 0 0\nv 1 0 0 1.0\nv 0 1 0\nv 9 9 9\nf 1 2 3\n",
    "windows": "v 0 0 0\r\nv 1 0 0\r\nv 0 1 0\r\nv 9 9 9\r\nf 1 2 3\r\n",
    "continued": "v 0 0 0\nv 1 0 \\\n0\nv 0 1 0\nv 9 9 9\nf 1 2 \\\n3\n",
    "comments and tabs": "# a\n v\t0 0 0 # b\nv 1 0 0\n\nv 0 1 0\nv 9 9 9\no x\ns off\nusemtl y\nf\t1 2 3 # c\n",
}


@pytest.mark.parametrize("form", OBJ_FORMS)
def test_forms_of_obj(form: str, tmp_path: Path) -> None:
    path = tmp_path / "mesh.obj"
    path.write_text(OBJ_FORMS[form], newline="")
    mesh = read_mesh(path)
    np.testing.assert_array_equal(mesh.positions(), [[0, 0, 0], [1, 0, 0], [0, 1, 0], [9, 9, 9]])
    np.testing.assert_array_equal(mesh.face_indices, [0, 1, 2])
    assert ("uv" in mesh.attributes) == ("/1" in OBJ_FORMS[form].replace("//1", ""))


def test_forms_of_ply(tmp_path: Path) -> None:
    rows = [(0.5, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)]
    header = "ply\nformat {} 1.0\ncomment c\nelement vertex 4\nproperty double x\nproperty float y\nproperty float z\n"
    header += "property uchar red\nelement face 2\nproperty uchar flag\nproperty list uchar int vertex_index\n"
    header += "property list uchar float texcoord\nelement edge 0\nproperty int a\nend_header\n"
    faces = [(0, 1, 2), (0, 1, 3, 2)]
    text = "".join(f"{x} {y} {z} 7\n" for x, y, z in rows)
    text += "".join(
        f"9 {len(f)} {' '.join(map(str, f))} {2 * len(f)} {' '.join(['0.25'] * 2 * len(f))}\n" for f in faces
    )
    (tmp_path / "ascii.ply").write_text(header.format("ascii") + text)
    for order, name in (("<", "binary_little_endian"), (">", "binary_big_endian")):
        data = b"".join(struct.pack(order + "dffB", x, y, z, 7) for x, y, z in rows)
        for f in faces:
            data += struct.pack(f"{order}BB{len(f)}iB{2 * len(f)}f", 9, len(f), *f, 2 * len(f), *[0.25] * 2 * len(f))
        (tmp_path / f"{name}.ply").write_bytes(header.format(name).encode() + data)
    for path in tmp_path.glob("*.ply"):
        mesh = read_mesh(path)
        np.testing.assert_array_equal(mesh.positions(), rows)
        np.testing.assert_array_equal(mesh.face_offsets, [0, 3, 7])
        np.testing.assert_array_equal(mesh.face_indices, [0, 1, 2, 0, 1, 3, 2])
        np.testing.assert_array_equal(mesh.attributes["uv"], np.full((7, 2), 0.25, np.float32))


def test_ply_with_texture_coordinates_of_vertices(tmp_path: Path) -> None:
    header = "ply\nformat ascii 1.0\nelement vertex 3\n" + "".join(f"property float {n}\n" for n in "xyzst")
    body = (
        "element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0 0 0\n1 0 0 1 0\n0 1 0 0 1\n3 0 1 2\n"
    )
    (tmp_path / "uv.ply").write_text(header + body)
    np.testing.assert_array_equal(read_mesh(tmp_path / "uv.ply").attributes["uv"], [[0, 0], [1, 0], [0, 1]])


def test_forms_of_off(tmp_path: Path) -> None:
    body = "4 2 0 # counts\n0 0 0\n1 0 0\n0 1 0\n1 1 0\n3 0 1 2\n4 0 1 3 2 255 0 0\n"
    for name, text in {"two": "OFF\n" + body, "one": "OFF " + body}.items():
        (tmp_path / f"{name}.off").write_text(text)
        mesh = read_mesh(tmp_path / f"{name}.off")
        np.testing.assert_array_equal(mesh.face_offsets, [0, 3, 7])
        np.testing.assert_array_equal(mesh.face_indices, [0, 1, 2, 0, 1, 3, 2])


@pytest.mark.parametrize("kind", ["stl", "stl_ascii"])
def test_stl_stays_a_soup(kind: str, tmp_path: Path) -> None:
    sphere = icosphere(1)
    data = trimesh.Trimesh(sphere.positions(), sphere.triangles(), process=False).export(file_type=kind)
    (tmp_path / "sphere.stl").write_bytes(data if isinstance(data, bytes) else data.encode())
    mesh = read_mesh(tmp_path / "sphere.stl")
    assert mesh.n_vertices == 3 * sphere.n_faces
    wanted = sphere.positions()[sphere.triangles()]
    np.testing.assert_allclose(mesh.positions()[mesh.triangles()], wanted, atol=1e-6)


def test_gltf_objects_are_joined_in_world_space(tmp_path: Path) -> None:
    sphere = icosphere(1)
    part = trimesh.Trimesh(sphere.positions(), sphere.triangles(), process=False)
    scene = trimesh.Scene()
    scene.add_geometry(part, node_name="a")
    scene.add_geometry(part, node_name="b", transform=trimesh.transformations.translation_matrix([5, 0, 0]))
    scene.export(tmp_path / "two.glb")
    (tmp_path / "loose").mkdir()
    for name, data in trimesh.exchange.gltf.export_gltf(scene).items():
        (tmp_path / "loose" / name).write_bytes(data)
    for path in (tmp_path / "two.glb", tmp_path / "loose" / "model.gltf"):
        mesh = read_mesh(path)
        assert mesh.n_vertices == 2 * sphere.n_vertices
        assert mesh.positions()[:, 0].max() == pytest.approx(5 + sphere.positions()[:, 0].max(), abs=1e-6)


FAULTS = {
    "missing.obj": (None, "no such file"),
    "mesh.fbx": (b"x", "not a mesh format"),
    "nothing.obj": (b"", "the file is empty"),
    "words.obj": (b"v 0 0 zero\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "'zero' is not a number"),
    "short.obj": (b"v 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "fewer than 3"),
    "zero.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 0 1 2\n", "counts from 1"),
    "range.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\nf 1 2 7\n", "face 1 uses vertex 6, but there are 3"),
    "uv.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/2\n", "texture coordinates that do not exist"),
    "two.obj": (b"v 0 0 0\nv 1 0 0\nf 1 2\n", "face 0 (counted from 0) has 2 corners"),
    "nan.obj": (b"v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "NaN (number 0"),
    "inf.obj": (b"v 0 0 0\nv 1 0 inf\nv 0 1 0\nf 1 2 3\n", "infinite (number 1"),
    "far.obj": (b"v 0 0 1e300\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "as large as 1e+300"),
    "index.obj": (b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3e99\n", "not a whole number in range"),
    "points.obj": (b"v 0 0 0\nv 1 0 0\n", "no faces"),
    "text.ply": (b"hello", "not a PLY file"),
    "cut.ply": (
        b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nend_header\n1\n",
        "ends before its 3 rows",
    ),
    "flat.ply": (b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n", "no x, y and z"),
    "huge.ply": (
        b"ply\nformat binary_little_endian 1.0\nelement vertex 999999999999\nproperty float x\nend_header\n1234",
        "ends before its 999999999999 rows",
    ),
    "none.ply": (b"ply\nformat ascii 1.0\nelement vertex 9\nelement face 9\nend_header\n", "there are no vertices"),
    "half.ply": (
        b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
        b"element face 1\nproperty list uchar float vertex_indices\nend_header\n0 0 0\n3 0 0 0.5\n",
        "face index 0.5 is not a whole number",
    ),
    "kind.ply": (b"ply\nformat strange 1.0\nend_header\n", "no known format"),
    "type.ply": (b"ply\nformat ascii 1.0\nelement vertex 1\nproperty quaternion x\nend_header\n", "cannot be read"),
    "text.off": (b"hello", "not an OFF file"),
    "cut.off": (b"OFF\n3 1 0\n0 0 0\n1 0 0\n", "ends before its 3 vertices"),
    "face.off": (b"OFF\n3 1 0\n0 0 0\n1 0 0\n0 1 0\n3 0 1\n", "fewer corners"),
    "text.stl": (b"hello", "no triangles were found"),
    "cut.stl": (bytes(80) + b"\x05\x00\x00\x00", "no triangles were found"),
    "text.glb": (b"hello", "cannot be read as GLB"),
    "text.gltf": (b"hello", "cannot be read as GLTF"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_name_file_and_fault(name: str, tmp_path: Path) -> None:
    data, fault = FAULTS[name]
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(MeshError) as caught:
        read_mesh(path)
    assert str(path) in str(caught.value)
    assert fault in str(caught.value)


def test_a_folder_is_no_mesh(tmp_path: Path) -> None:
    (tmp_path / "folder.obj").mkdir()
    with pytest.raises(MeshError, match="this is a folder"):
        read_mesh(tmp_path / "folder.obj")


@pytest.mark.parametrize("suffix", ["ply", "obj"])
def test_a_file_cut_anywhere_is_an_error_or_a_smaller_mesh_but_never_a_crash(suffix: str, tmp_path: Path) -> None:
    whole = tmp_path / f"whole.{suffix}"
    (write_ply if suffix == "ply" else write_obj)(whole, icosphere(1))
    data = whole.read_bytes()
    for end in np.random.default_rng(0).integers(0, len(data), 60):
        cut = tmp_path / f"cut.{suffix}"
        cut.write_bytes(data[:end])
        with contextlib.suppress(MeshError):  # any other exception fails the test
            read_mesh(cut)
            assert suffix == "obj"  # a text file without an end marker can be cut between two lines


@pytest.mark.parametrize("name", ["a.ply", "b.ply", "c.obj", "d.off", "e.stl", "f.glb"])
def test_damaged_files_are_read_or_refused_in_words(name: str, tmp_path: Path) -> None:
    """Random bytes changed, cut, inserted: a mesh or a ``MeshError``, never another exception or a warning."""
    path, rng = tmp_path / name, np.random.default_rng(7)
    sphere = icosphere(0)
    if name[0] in "abc":
        (write_obj if name[0] == "c" else write_ply)(path, mixed_polygons() if name[0] == "b" else sphere)
    else:
        trimesh.Trimesh(sphere.positions(), sphere.triangles(), process=False).export(path)
    whole = path.read_bytes()
    refused = 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rng.integers(1, 5)):
            at = int(rng.integers(min(len(data), 400 if rng.random() < 0.5 else len(data))))
            kind = rng.integers(3)
            if kind == 0:
                data[at] = rng.integers(256)
            elif kind == 1:
                del data[at : at + int(rng.integers(1, 20))]
            else:
                data[at:at] = bytes(rng.choice(list(b" 0123456789-/e.\nfv"), int(rng.integers(1, 8))).tolist())
        path.write_bytes(data)
        try:
            read_mesh(path)
        except MeshError:
            refused += 1
    assert refused > 50


def test_no_vertex_of_the_shared_pairs_is_merged() -> None:
    data = shared_data()
    if data is None:
        pytest.skip("the shared test data is not here")
    assert read_mesh(data / "michael_remeshed" / "source.obj").n_vertices == 5000
    quads = read_mesh(data / "bad" / "quads.obj")
    assert (quads.n_vertices, quads.n_faces, len(quads.face_indices)) == (334, 334, 4 * 334)
    assert quads.attributes["uv"].shape == (4 * 334, 2)


def coloured(mesh: MeshData) -> MeshData:
    color = np.random.default_rng(2).integers(0, 256, (mesh.n_vertices, 4)) / 255
    return replace(mesh, attributes={"color": color.astype(np.float32)})


@pytest.mark.parametrize("make", [icosphere, torus, mixed_polygons, far_sphere])
def test_colours_of_a_ply_read_back(make: Callable[[], MeshData], tmp_path: Path) -> None:
    mesh = coloured(make())
    write_ply(tmp_path / "mesh.ply", mesh)
    found = read_mesh(tmp_path / "mesh.ply")
    assert_same(found, mesh)
    np.testing.assert_array_equal(found.attributes["color"], mesh.attributes["color"])
    assert found.attributes["color"].dtype == np.float32


def test_trimesh_sees_our_colours_and_keeps_the_vertex_order(tmp_path: Path) -> None:
    mesh = coloured(torus())
    write_ply(tmp_path / "mesh.ply", mesh)
    found = trimesh.load(tmp_path / "mesh.ply", process=False, force="mesh", maintain_order=True)
    np.testing.assert_array_equal(np.asarray(found.vertices, np.float32), mesh.vertices)
    np.testing.assert_array_equal(found.visual.vertex_colors, np.round(255 * mesh.attributes["color"]))


@pytest.mark.parametrize(("kind", "row"), [("uchar", "255 51 0"), ("ushort", "65535 13107 0"), ("float", "1 0.2 0")])
def test_colours_of_other_programs_are_brought_to_0_1(kind: str, row: str, tmp_path: Path) -> None:
    header = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    header += "".join(f"property {kind} {name}\n" for name in ("red", "green", "blue"))
    header += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    corners = "".join(f"{x} {y} 0 {row}\n" for x, y in ((0, 0), (1, 0), (0, 1)))
    (tmp_path / "mesh.ply").write_text(header + corners + "3 0 1 2\n")
    color = read_mesh(tmp_path / "mesh.ply").attributes["color"]
    np.testing.assert_allclose(color, np.tile([1.0, 0.2, 0.0, 1.0], (3, 1)), rtol=1e-6)
