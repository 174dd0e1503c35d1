"""Meshes and point clouds as shapes: what each format gives, and what is said of a broken file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.geometry.shape_file import read_shape
from protocol.mesh import MeshError
from tests.meshes import icosphere, torus
from tests.obj_file import write_obj

RNG = np.random.default_rng(3)
CLOUD = RNG.normal(size=(40, 3))
NORMALS = CLOUD / np.linalg.norm(CLOUD, axis=1, keepdims=True)
WITH_NORMALS = np.concatenate([CLOUD, 3.0 * NORMALS], axis=1)  # normals of another length
FLAT = np.pad(CLOUD[:, :2], ((0, 0), (0, 1)), constant_values=7.0)
PLANE = WITH_NORMALS[:, [0, 1, 3, 4]]


def text(table: NDArray[np.float64], apart: str = " ") -> str:
    return "".join(apart.join(map(repr, row)) + "\n" for row in table.tolist())


def ply(table: NDArray[np.float64], names: str, binary: bool) -> bytes:
    properties = "".join(f"property double {name}\n" for name in names.split())
    kind = "binary_little_endian" if binary else "ascii"
    header = f"ply\nformat {kind} 1.0\nelement vertex {len(table)}\n{properties}end_header\n"
    return header.encode() + (table.astype("<f8").tobytes() if binary else text(table).encode())


def test_a_mesh_keeps_its_vertices_and_its_polygons_are_cut(tmp_path: Path) -> None:
    mesh = torus(12, 6)
    write_obj(tmp_path / "t.obj", mesh)
    shape = read_shape(tmp_path / "t.obj")
    assert shape.kind == "mesh"
    np.testing.assert_allclose(shape.points, mesh.positions(), atol=0)
    np.testing.assert_array_equal(shape.triangles, mesh.triangles())


def test_a_mesh_may_be_read_as_the_cloud_of_its_vertices(tmp_path: Path) -> None:
    write_obj(tmp_path / "b.obj", icosphere(1))
    shape = read_shape(tmp_path / "b.obj", "cloud")
    assert (shape.kind, shape.points.shape, shape.normals) == ("cloud", (42, 3), None)


@pytest.mark.parametrize("binary", [False, True])
def test_a_ply_cloud_with_normals_of_any_length(tmp_path: Path, binary: bool) -> None:
    (tmp_path / "c.ply").write_bytes(ply(WITH_NORMALS, "x y z nx ny nz", binary))
    shape = read_shape(tmp_path / "c.ply")
    assert shape.kind == "cloud"
    np.testing.assert_allclose(shape.points, CLOUD, atol=1e-15)
    assert shape.normals is not None
    np.testing.assert_allclose(shape.normals, NORMALS, atol=1e-12)


def test_normals_of_points_in_an_obj(tmp_path: Path) -> None:
    lines = [f"v {' '.join(map(repr, row[:3]))}\nvn {' '.join(map(repr, row[3:]))}" for row in WITH_NORMALS.tolist()]
    (tmp_path / "c.obj").write_text("\n".join(lines))
    shape = read_shape(tmp_path / "c.obj")
    assert shape.normals is not None
    np.testing.assert_allclose(shape.normals, NORMALS, atol=1e-12)


@pytest.mark.parametrize("apart", [" ", ", ", ";", "\t"])
@pytest.mark.parametrize("head", ["", "40\n", "x y z\n", "# a scan\n\n"])
def test_lines_of_text(tmp_path: Path, apart: str, head: str) -> None:
    (tmp_path / "c.xyz").write_text(head + text(CLOUD, apart))
    shape = read_shape(tmp_path / "c.xyz")
    assert (shape.kind, shape.normals) == ("cloud", None)
    np.testing.assert_array_equal(shape.points, CLOUD)


@pytest.mark.parametrize(("table", "dimension"), [(WITH_NORMALS, 3), (PLANE, 2), (CLOUD, 3), (CLOUD[:, :2], 2)])
def test_columns_tell_dimension_and_normals(tmp_path: Path, table: NDArray[np.float64], dimension: int) -> None:
    (tmp_path / "c.txt").write_text(text(table))
    np.save(tmp_path / "c.npy", table)
    np.savez(tmp_path / "c.npz", table)
    for name in ("c.txt", "c.npy", "c.npz"):
        shape = read_shape(tmp_path / name)
        assert (shape.kind, shape.dimension) == ("cloud", dimension), name
        np.testing.assert_array_equal(shape.points, table[:, :dimension])
        assert (shape.normals is not None) == (table.shape[1] > 3), name
        if shape.normals is not None:
            np.testing.assert_allclose(np.linalg.norm(shape.normals, axis=1), 1.0)


def test_colours_beside_points_are_no_normals(tmp_path: Path) -> None:
    colours = RNG.integers(0, 256, size=(40, 3)).astype(float)
    (tmp_path / "c.xyz").write_text(text(np.concatenate([CLOUD, colours], axis=1)))
    assert read_shape(tmp_path / "c.xyz").normals is None


def test_normals_without_a_direction_are_left_out(tmp_path: Path) -> None:
    table = WITH_NORMALS.copy()
    table[4, 3:] = 0.0
    (tmp_path / "c.xyz").write_text(text(table))
    assert read_shape(tmp_path / "c.xyz").normals is None


def test_named_arrays(tmp_path: Path) -> None:
    sphere = icosphere(1)
    np.savez(tmp_path / "m.npz", vertices=sphere.positions(), faces=sphere.triangles())
    np.savez(tmp_path / "n.npz", points=CLOUD, normals=NORMALS, other=np.zeros(3))
    mesh, cloud = read_shape(tmp_path / "m.npz"), read_shape(tmp_path / "n.npz")
    assert (mesh.kind, cloud.kind) == ("mesh", "cloud")
    np.testing.assert_array_equal(mesh.triangles, sphere.triangles())
    assert cloud.normals is not None
    np.testing.assert_allclose(cloud.normals, NORMALS)


def test_a_cloud_at_one_height_lies_in_the_plane_unless_asked_otherwise(tmp_path: Path) -> None:
    (tmp_path / "c.xyz").write_text(text(FLAT))
    np.testing.assert_array_equal(read_shape(tmp_path / "c.xyz").points, CLOUD[:, :2])
    np.testing.assert_array_equal(read_shape(tmp_path / "c.xyz", dimension=3).points, FLAT)
    (tmp_path / "d.xyz").write_text(text(CLOUD))
    np.testing.assert_array_equal(read_shape(tmp_path / "d.xyz", dimension=2).points, CLOUD[:, :2])
    (tmp_path / "e.xyz").write_text(text(CLOUD[:, :2]))
    np.testing.assert_array_equal(read_shape(tmp_path / "e.xyz", dimension=3).points[:, 2], 0.0)


def test_a_flat_mesh_stays_in_space(tmp_path: Path) -> None:
    (tmp_path / "f.obj").write_text("v 0 0 1\nv 1 0 1\nv 0 1 1\nf 1 2 3\n")
    assert read_shape(tmp_path / "f.obj").dimension == 3
    with pytest.raises(MeshError, match=r"f\.obj: a mesh has three dimensions"):
        read_shape(tmp_path / "f.obj", dimension=2)


BROKEN = {
    "empty.xyz": (b"", "the file is empty"),
    "words.xyz": (b"1 2 3\n4 five 6\n", "'five' is not a number"),
    "uneven.xyz": (b"1 2 3\n4 5\n", "point 2 has 2 numbers, and the first 3"),
    "many.xyz": (b"1 2 3 4 5\n", "its lines have 5 numbers"),
    "head.xyz": (b"x y z\n", "there are no points in it"),
    "nan.xyz": (b"1 2 3\n4 nan 6\n7 8 nan\n", "2 points have a coordinate that is NaN (numbers 1, 2, counted from 0)"),
    "inf.xyz": (b"1 2 3\n4 inf 6\n", "infinite"),
    "huge.xyz": (b"1 2 3\n4 1e200 6\n", "as large as 1e+200"),
    "normal.xyz": (b"1 2 3 0 0 1\n4 5 6 0 0 nan\n", "1 point has a normal that is NaN"),
    "no.npy": (b"hello", "cannot be read as NumPy arrays"),
    "no.npz": (b"PK\x03\x04 and then nothing", "cannot be read as NumPy arrays"),
    "no.ply": (
        b"ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nproperty float y\nproperty float z\nend_header\n",
        "there are no points",
    ),
    "no.stp": (b"ISO-10303-21;", ".stp is not a format known here"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_told_with_its_name(tmp_path: Path, name: str) -> None:
    data, words = BROKEN[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MeshError) as raised:
        read_shape(tmp_path / name)
    assert str(raised.value).startswith(f"{tmp_path / name}: ")
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"points": np.zeros((4, 5))}, "has the shape (4, 5)"),
        ({"points": np.zeros(4)}, "has the shape (4,)"),
        ({"points": np.zeros((4, 3), complex)}, "holds complex128"),
        ({"points": np.zeros((4, 3)), "normals": np.zeros((3, 3))}, "normals have the shape (3, 3)"),
        ({"points": np.zeros((4, 3)), "faces": np.array([[0, 1, 4]])}, "there are 4, counted from 0"),
        ({"points": np.zeros((4, 3)), "edges": np.zeros((2, 3), int)}, "instead of (count, 2)"),
        ({"a": np.zeros((4, 3)), "b": np.zeros((4, 3))}, "none of its arrays (a, b) is called points"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, NDArray[np.generic]], words: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(MeshError) as raised:
        read_shape(tmp_path / "a.npz")
    assert words in str(raised.value)


def test_objects_in_an_array_are_not_run(tmp_path: Path) -> None:
    np.save(tmp_path / "o.npy", np.array([{}, 1], object), allow_pickle=True)
    with pytest.raises(MeshError, match="cannot be read as NumPy arrays"):
        read_shape(tmp_path / "o.npy")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
def test_numbers_beyond_computing_in_an_array(tmp_path: Path, value: float) -> None:
    table = np.concatenate([CLOUD, [[0.0, value, 0.0]]])
    np.save(tmp_path / "a.npy", table)
    np.savez(tmp_path / "a.npz", points=table, segments=np.array([[0, 40]]))
    for name in ("a.npy", "a.npz"):
        for kind in ("auto", "cloud", "loop"):
            with pytest.raises(
                MeshError, match=r"1 point has a coordinate that is|a coordinate is as large as 1e\+200"
            ):
                read_shape(tmp_path / name, kind)


def test_what_is_not_there_and_what_is_not_asked_for(tmp_path: Path) -> None:
    with pytest.raises(MeshError, match="there is no such file"):
        read_shape(tmp_path / "none.xyz")
    (tmp_path / "c.xyz").write_text(text(CLOUD))
    with pytest.raises(MeshError, match="it has no faces, so it is no mesh"):
        read_shape(tmp_path / "c.xyz", "mesh")
    write_obj(tmp_path / "b.obj", icosphere(1))
    with pytest.raises(MeshError, match="it has faces and no lines"):
        read_shape(tmp_path / "b.obj", "polyline")
    with pytest.raises(MeshError, match="'curve' is not a kind of shape"):
        read_shape(tmp_path / "b.obj", "curve")
