"""``query``: every question to a field that lies in a file, what it leaves, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.cli import main
from backend.commands.query import QUERIES
from backend.geometry.io import read_mesh
from backend.geometry.level_formats import CURVES, NUMBERS, POINTS, SURFACES
from backend.geometry.metrics import topology
from backend.geometry.shape_file import read_shape
from backend.surfaces.distance_field import DistanceField
from tests.cli.conftest import interrupt_when, start
from tests.surfaces.analytic import diamonds

SOLID = diamonds(3)
FLAT = diamonds(2)


@pytest.fixture(autouse=True)
def fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``solid/field.safetensors`` and ``flat.safetensors``: two octahedra, and two squares on their corners."""
    monkeypatch.chdir(tmp_path)
    Path("solid").mkdir()
    Path("solid/field.safetensors").write_bytes(SOLID.to_bytes())
    Path("flat.safetensors").write_bytes(FLAT.to_bytes())


def query(*arguments: object) -> None:
    assert main(["query", *map(str, arguments)]) == 0


def names() -> list[str]:
    return sorted(path.name for path in Path().iterdir() if path.name not in ("solid", "flat.safetensors"))


def off(field: DistanceField, points: np.ndarray, level: float) -> float:
    return float(np.abs(field.values(points) - level).max())


def test_formats_of_the_parser_are_those_that_are_written() -> None:
    for name, formats in (
        ("isosurface", SURFACES),
        ("contour", CURVES),
        ("iso-samples", POINTS),
        ("distance", NUMBERS),
    ):
        assert QUERIES[name][0] == formats
    assert QUERIES["skeleton"][0] == (*POINTS, ".obj")


@pytest.mark.parametrize("suffix", SURFACES)
def test_isosurface(suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    query("solid", "isosurface", "--out", f"a{suffix}", "--resolution", 64)
    mesh = read_mesh(f"a{suffix}")
    facts = topology(mesh.n_vertices, mesh.triangles())
    assert (facts["closed"], facts["components"], facts["genus"]) == (True, 2, 0)
    assert off(SOLID, mesh.positions(), 0.0) < 0.05
    assert capsys.readouterr().out == f"{mesh.n_faces} faces, closed, 2 parts: a{suffix}\n"
    assert names() == [f"a{suffix}"]


def test_several_levels_are_as_many_files_with_their_number_and_value(capsys: pytest.CaptureFixture[str]) -> None:
    query("solid/field.safetensors", "isosurface", "--out", "a.ply", "--range", -0.8, 0.2, 3, "--level", 0.05)
    assert names() == ["a_00_0.05.ply", "a_02_-0.3.ply", "a_03_0.2.ply"]
    for name, level in (("a_00_0.05", 0.05), ("a_02_-0.3", -0.3), ("a_03_0.2", 0.2)):
        assert off(SOLID, read_mesh(f"{name}.ply").positions(), level) < 0.04
    said = capsys.readouterr().out.splitlines()
    assert said[1] == "level -0.8: nothing, so there is no file of it"
    assert said[3].endswith("closed, 2 parts: a_03_0.2.ply")


@pytest.mark.parametrize("suffix", CURVES)
def test_contours_have_all_their_loops_in_one_file(suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    query("flat.safetensors", "contour", "--out", f"a{suffix}", "--level", -0.2, "--resolution", 512)
    assert "2 loops, " in capsys.readouterr().out
    if suffix == ".npy":
        points = np.load("a.npy")
        assert np.isnan(points).all(axis=1).sum() == 1
        points = points[~np.isnan(points).any(axis=1)]
        closed = points[np.flatnonzero(np.isnan(np.load("a.npy"))[:, 0])[0] - 1]
        np.testing.assert_array_equal(points[0], closed)
    else:
        shape = read_shape(f"a{suffix}")
        assert shape.segments is not None
        assert shape.kind == "polyline"
        ends, times = np.unique(shape.segments, return_counts=True)
        assert (times == 2).all()
        points = shape.points[ends]
        lengths = np.linalg.norm(np.diff(shape.points[shape.segments], axis=1), axis=2)
        assert lengths.sum() == pytest.approx(2 * 4 * 2**0.5 * (1 - 0.2 * 2**0.5), rel=0.01)
    assert off(FLAT, points, -0.2) < 0.01
    assert {float(np.sign(x)) for x in points[:, 0]} == {-1.0, 1.0}


@pytest.mark.parametrize("suffix", POINTS)
def test_iso_samples_with_their_normals(suffix: str) -> None:
    for field, file, dimension in ((SOLID, "solid", 3), (FLAT, "flat.safetensors", 2)):
        query(file, "iso-samples", "--out", f"{dimension}{suffix}", "--count", 200, "--level", 0.1)
        shape = read_shape(f"{dimension}{suffix}", "cloud")
        assert shape.points.shape == (200, dimension)
        assert off(field, shape.points, 0.1) < 1e-3
        assert shape.normals is not None
        assert (field.values(shape.points + 0.05 * shape.normals) > 0.12).all()
    query("solid", "iso-samples", "--out", "b.npy", "--count", 7, "--seed", 3)
    query("solid", "iso-samples", "--out", "c.npy", "--count", 7, "--seed", 4)
    assert (np.load("b.npy") != np.load("c.npy")).any()


def test_skeleton_as_points_and_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """The ridges along the axes have a gradient of length 0.58, the middle 0."""
    for suffix in POINTS:
        query("solid", "skeleton", "--out", f"a{suffix}", "--resolution", 64)
        points = read_shape(f"a{suffix}", "cloud", dimension=3).points
        assert np.abs(np.abs(points) - [2.0, 0, 0]).max() < 0.1
    query("solid", "skeleton", "--out", "a.obj", "--resolution", 96, "--gradient", 0.65)
    lines = read_shape("a.obj")
    assert lines.segments is not None
    inside = np.abs(lines.points) - [2.0, 0, 0]
    assert np.sort(np.abs(inside), axis=1)[:, :2].max() < 0.1
    assert np.abs(inside).max() > 0.6
    assert "lines through" in capsys.readouterr().out


def test_distances_at_points(capsys: pytest.CaptureFixture[str]) -> None:
    points = np.random.default_rng(0).normal(0.0, 1.0, (50, 3))
    np.save("points.npy", points)
    query("solid", "distance", "--points", "points.npy", "--out", "a.npy")
    np.testing.assert_allclose(np.load("a.npy"), SOLID.values(points), rtol=1e-12)
    assert capsys.readouterr().out.startswith("50 distances from ")
    query("solid", "distance", "--points", "points.npy", "--out", "a.csv")
    assert Path("a.csv").read_text().splitlines()[0] == "x,y,z,distance"
    np.testing.assert_allclose(
        np.loadtxt("a.csv", delimiter=",", skiprows=1), np.c_[points, SOLID.values(points)], rtol=1e-6, atol=1e-8
    )
    np.save("flat.npy", points[:, :2])
    query("flat.safetensors", "distance", "--points", "flat.npy", "--out", "b.npy")
    np.testing.assert_allclose(np.load("b.npy"), FLAT.values(points[:, :2]))
    query("solid", "distance", "--points", "flat.npy", "--out", "c.npy")
    np.testing.assert_allclose(np.load("c.npy"), SOLID.values(points * [1, 1, 0]))


def test_a_traced_picture() -> None:
    query("solid", "sphere-trace", "--out", "a.png", "--resolution", 96)
    query("solid", "sphere-trace", "--out", "b.png", "--resolution", 96, "--camera", 90, 10)
    shown = []
    for name in ("a.png", "b.png"):
        with Image.open(name) as picture:
            assert picture.width == 96
            image = np.asarray(picture.convert("RGB"), int)
        columns = np.flatnonzero((image[:, :, 0] - image[:, :, 2] > 25).any(axis=0))
        shown.append(len(columns) / image.shape[0])
    assert shown[0] > 1.5 * shown[1]  # from the side one octahedron hides the other


def test_nothing_is_replaced_unasked() -> None:
    query("flat.safetensors", "contour", "--out", "a.svg", "--level", 0.1)
    before = Path("a.svg").read_bytes()
    assert main(["query", "flat.safetensors", "contour", "--out", "a.svg"]) == 2
    assert Path("a.svg").read_bytes() == before
    query("flat.safetensors", "contour", "--out", "a.svg", "--force")
    assert Path("a.svg").read_bytes() != before
    Path("b_01_0.1.svg").write_text("mine")
    assert main(["query", "flat.safetensors", "contour", "--out", "b.svg", "--level", "0", "--level", "0.1"]) == 2
    assert names() == ["a.svg", "b_01_0.1.svg"]


def test_what_cannot_be_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("text.safetensors").write_text("words")
    Path("empty").mkdir()
    np.save("high.npy", np.random.default_rng(0).normal(size=(9, 3)))
    before = sorted(Path().rglob("*"))
    solid, flat = ("solid", "isosurface", "--out"), ("flat.safetensors", "contour", "--out")
    for arguments, words in (
        (("solid", "isosurface"), "--out"),
        (("solid", "volume", "--out", "a.ply"), "'volume' is not one of isosurface, contour"),
        (("absent.safetensors", "isosurface", "--out", "a.ply"), "absent.safetensors: No such file"),
        (("text.safetensors", "isosurface", "--out", "a.ply"), "text.safetensors: not a field"),
        (("empty", "isosurface", "--out", "a.ply"), "no field.safetensors in it"),
        ((*solid, "a.svg"), "isosurface writes .ply, .obj"),
        ((*solid, "none/a.ply"), "none: is not a folder"),
        ((*solid, "a.ply", "--count", "3"), "--count belongs to iso-samples, not to isosurface"),
        ((*solid, "a.ply", "--level", "high"), "'high' is not a number"),
        ((*solid, "a.ply", "--range", "0", "1", "x"), "--range 0 1 x"),
        ((*solid, "a.ply", "--range", "0", "1", "0"), "as in --range -0.1 0.1 21"),
        ((*solid, "a.ply", "--resolution", "2"), "from 4 to 4096"),
        ((*solid, "a.ply", "--level", "-3"), "goes from about -0.5"),
        ((*flat, "a.svg", "--level", "-3"), "nowhere at level -3"),
        (("solid", "contour", "--out", "a.svg"), "ask for an isosurface"),
        (("flat.safetensors", "isosurface", "--out", "a.ply"), "ask for a contour"),
        (("flat.safetensors", "sphere-trace", "--out", "a.png"), "in the plane"),
        (("flat.safetensors", "contour", "--out", "flat.safetensors"), "contour writes"),
        (("solid", "distance", "--out", "a.npy"), "distance needs --points"),
        (("solid", "distance", "--points", "absent.npy", "--out", "a.npy"), "absent.npy"),
        (("solid", "distance", "--points", "high.npy", "--out", "high.npy", "--force"), "made from it"),
        (("flat.safetensors", "distance", "--points", "high.npy", "--out", "a.npy"), "flatten them"),
        (("solid", "skeleton", "--out", "a.ply", "--resolution", "4"), "thinner than three cells"),
        (("solid", "skeleton", "--out", "a.ply", "--gradient", "-1"), "a gradient of -1"),
    ):
        assert main(["query", *arguments]) == 2, arguments
        said = capsys.readouterr()
        assert said.out == ""
        last = said.err.splitlines()[-1]
        assert last.startswith("tweenfield: error: "), arguments
        assert words in last, (arguments, last)
    assert sorted(Path().rglob("*")) == before


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    before = names()
    with start("query", "solid", "isosurface", "--out", "a.ply", "--resolution", "900", cwd=tmp_path) as process:
        status, said = interrupt_when(process, "isosurface")
    assert status == 130, said
    assert said.splitlines()[-1] == "tweenfield: stopped"
    assert names() == before
