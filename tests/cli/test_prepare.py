"""Published layouts: pairs are listed, tables are right, and a prepared pair is morphed and measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.cli import main
from backend.correspondence.published import read_p2p, read_vts, vts_pairs
from backend.geometry.io import read_mesh, write_ply
from protocol.mesh import MeshData
from tests.meshes import icosphere, triangle_mesh
from tests.obj_file import write_obj
from tests.shared_data import shared_data

DATA = shared_data()


def write_off(path: Path, mesh: MeshData) -> None:
    lines = ["OFF", f"{mesh.n_vertices} {mesh.n_faces} 0"]
    lines += [" ".join(str(x) for x in row) for row in mesh.vertices]
    lines += ["3 " + " ".join(str(vertex) for vertex in row) for row in mesh.triangles()]
    path.write_text("\n".join(lines) + "\n")


def shuffled(mesh: MeshData, seed: int) -> tuple[MeshData, np.ndarray]:
    """The mesh with other vertex numbers, and the old number of every vertex."""
    order = np.random.default_rng(seed).permutation(mesh.n_vertices)
    return triangle_mesh(mesh.positions()[order], np.argsort(order)[mesh.triangles()]), order


@pytest.fixture
def matching(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """Two balls, one of them shuffled, whose hyphened names a file of matches holds; the last 20 have no match."""
    folder = tmp_path / "data"
    (folder / "meshes").mkdir(parents=True)
    (folder / "corres").mkdir()
    ball = icosphere(2)
    other, order = shuffled(ball.with_positions(1.2 * ball.positions()), 0)
    write_ply(folder / "meshes" / "cat-0.ply", ball)
    write_off(folder / "meshes" / "cat-1.off", other)
    numbers = order + 1
    numbers[-20:] = 10**6
    np.save(folder / "corres" / "cat-0-cat-1_p2p.npy", numbers[None, :])
    return folder, order


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """Three meshes of one vertex order."""
    folder = tmp_path / "template"
    folder.mkdir()
    for number in range(3):
        write_off(folder / f"shape{number}.off", icosphere(1, 1.0 + number))
    return folder


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command that must refuse says."""
    assert main([str(argument) for argument in arguments]) == 2
    return capsys.readouterr().err


def test_matches_become_tables(matching: tuple[Path, np.ndarray], capsys: pytest.CaptureFixture[str]) -> None:
    folder, order = matching
    out = folder.parent / "prepared"
    assert main(["prepare", str(folder), "--type", "matching", "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["0", "0", "cat-0", "->", "cat-1", "162", "->", "162", "142"]
    listing = json.loads((out / "pairs.json").read_text())
    (entry,) = listing["pairs"]
    table = np.load(out / entry["table"])
    assert np.array_equal(table, np.stack([order[:-20], np.arange(142)], axis=1))
    files = {shape["name"]: shape["file"] for shape in listing["shapes"]}
    source, target = read_mesh(files[entry["source"]]), read_mesh(files[entry["target"]])
    assert np.allclose(1.2 * source.positions()[table[:, 0]], target.positions()[table[:, 1]], atol=1e-6)


def test_lists_of_template_places_match_all_ordered_pairs(tmp_path: Path) -> None:
    ball = icosphere(2)
    places = np.array([5, 0, 9, 9, 100, 7])
    orders = []
    for number in range(3):
        mesh, order = shuffled(ball, number)
        orders.append(order)
        write_obj(tmp_path / f"tr_{number}.obj", mesh)
        vertices = np.argsort(order)[places] + 1
        (tmp_path / f"tr_{number}.vts").write_text("\n".join(map(str, vertices)) + "\n")
    assert main(["prepare", str(tmp_path), "--type", "matching", "--out", str(tmp_path / "out")]) == 0
    pairs = json.loads((tmp_path / "out" / "pairs.json").read_text())["pairs"]
    assert [(p["index"], p["subindex"], p["source"], p["target"]) for p in pairs] == [
        (0, 0, "tr_0", "tr_1"), (0, 1, "tr_0", "tr_2"), (1, 0, "tr_1", "tr_0"),
        (1, 1, "tr_1", "tr_2"), (2, 0, "tr_2", "tr_0"), (2, 1, "tr_2", "tr_1"),
    ]  # fmt: skip
    table = np.load(tmp_path / "out" / "table_0002_0000.npy")
    assert len(table) == 5
    assert np.array_equal(orders[2][table[:, 0]], orders[0][table[:, 1]])
    assert set(orders[2][table[:, 0]]) == set(places)


def test_template_pairs_have_no_table(template: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = template.parent / "out"
    assert main(["prepare", str(template), "--type", "template", "--out", str(out)]) == 0
    assert "6 pairs of 3 meshes" in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {"pairs.json"}
    # The same command again replaces what it made; a folder with other files is left alone.
    assert main(["prepare", str(template), "--type", "template", "--out", str(out)]) == 0
    (out / "notes.txt").write_text("mine")
    (out / "pairs.json").write_text("{}")
    assert "the folder holds other files" in said(capsys, "prepare", template, "--type", "template", "--out", out)
    assert (out / "pairs.json").read_text() == "{}"


def test_a_prepared_pair_is_morphed_and_measured(
    matching: tuple[Path, np.ndarray], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = matching
    data, out = tmp_path / "prepared", tmp_path / "out"
    assert main(["prepare", str(folder), "--type", "matching", "--out", str(data)]) == 0
    pair = ["--data", str(data), "--index", "0", "--subindex", "0"]
    assert main(["morph", *pair, "--out", str(out), "--method", "linear", "--frames", "3", "--topology", "keep"]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["files"]["table"].endswith("table_0000_0000.npy")
    assert report["correspondence"] == "table"
    capsys.readouterr()
    assert main(["evaluate", str(out), *pair, "--samples", "2000", "--no-intersections"]) == 0
    metrics = json.loads(capsys.readouterr().out)
    assert set(metrics["papers"]) == {"cd", "hd", "sa_sigma", "p_rmse", "conformal"}
    assert metrics["papers"]["conformal"] == pytest.approx(1.0, abs=0.05)
    assert metrics["fixed"]["corr_error_t1"]["p95"] < 1e-3


def test_template_pairs_are_morphed_by_their_order_and_compared_with_the_truth(
    template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "prepared", tmp_path / "out"
    assert main(["prepare", str(template), "--type", "template", "--out", str(data)]) == 0
    pair = ["--data", str(data), "--index", "0", "--subindex", "1"]
    assert main(["morph", *pair, "--out", str(out), "--method", "linear", "--frames", "3"]) == 0
    ball = icosphere(1).positions()
    np.save(tmp_path / "truth.npy", np.stack([ball, 2 * ball, 3 * ball]))
    capsys.readouterr()
    assert main(["evaluate", str(out), *pair, "--in-between", str(tmp_path / "truth.npy"), "--no-intersections"]) == 0
    found = json.loads(capsys.readouterr().out)["papers"]
    assert found["p_rmse"] == pytest.approx(0.0, abs=1e-5)
    area = 4 * np.pi
    assert 0.0 < found["cd"] < 0.02 * 2 / np.sqrt(area) < 0.1
    assert found["cd"] < found["hd"]
    assert found["conformal"] == pytest.approx(1.0, abs=1e-4)
    assert found["sa_sigma"] == pytest.approx(np.std([1.0, 4.0, 9.0]), rel=1e-4)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.arange(162), "entry 1 is 0; these files count vertices from 1"),
        (np.full(162, 163), "no number lies in 1 to 162"),
        (np.full(162, 1.5), "entry 1 is 1.5, which is not a vertex number"),
        (np.ones(161, int), "has the shape 161, but the second mesh of its name has 162 vertices"),
        (np.ones((3, 4, 5), int), "has the shape 3x4x5"),
        (np.array(["a"] * 162), "holds no array of numbers"),
    ],
)
def test_faulty_matches_are_told(tmp_path: Path, array: np.ndarray, words: str) -> None:
    path = tmp_path / "a-b_p2p.npy"
    np.save(path, array)
    with pytest.raises(ValueError, match=r"a-b_p2p\.npy: ") as error:
        read_p2p(path, 162, 162)
    assert words in str(error.value)


def test_plain_and_whole_real_matches_are_read(tmp_path: Path) -> None:
    for array in (np.array([3, 1, 9]), np.array([[3.0, 1.0, 9.0]]), np.array([[3], [1], [9]], np.uint16)):
        np.save(tmp_path / "m.npy", array)
        assert read_p2p(tmp_path / "m.npy", 5, 3).tolist() == [[2, 0], [0, 1]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1\n2\nx\n", "is not a list with one vertex number on each line"),
        ("", "is empty"),
        ("1\n9\n", "line 2 names vertex 9, but its mesh has 8"),
        ("1\n0\n", "line 2 is 0; these files count vertices from 1"),
    ],
)
def test_faulty_lists_are_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.vts"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"a\.vts: ") as error:
        read_vts(path, 8)
    assert words in str(error.value)
    with pytest.raises(ValueError, match="a has 2 lines and b has 3"):
        vts_pairs(np.arange(2), np.arange(3), ("a", "b"))


def test_faulty_folders_are_told(
    matching: tuple[Path, np.ndarray], template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = matching
    out = folder.parent / "out"

    def refused(where: object, kind: str, *more: object) -> str:
        text = said(capsys, "prepare", where, "--type", kind, "--out", out, *more)
        assert not out.exists()
        return text

    assert "is not a folder; name the one that holds the meshes" in refused("nowhere", "matching")
    assert "holds 0 meshes" in refused(folder / "corres", "matching")
    assert "holds no file <A>-<B>_p2p.npy" in refused(template, "matching")
    assert "share vertices and faces" in refused(folder / "meshes", "template")
    assert "--matches belongs to --type matching" in refused(template, "template", "--matches", folder)
    assert "names no two of the meshes" in refused(template, "matching", "--matches", folder / "corres")
    write_off(template / "odd.off", icosphere(2))
    assert "odd.off" in refused(template, "template")
    (folder / "corres" / "cat-0.vts").write_text("1\n")
    assert "holds matches of both kinds" in refused(folder, "matching")
    write_ply(folder / "cat-0.ply", icosphere(1))
    assert "have one name" in refused(folder, "matching")
    (template / "odd.off").write_text("nothing")
    assert "odd.off: this is not an OFF file" in refused(template, "template")


def test_faulty_choices_of_a_pair_are_told(template: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = template.parent / "prepared", template.parent / "out"
    assert main(["prepare", str(template), "--type", "template", "--out", str(data)]) == 0
    chosen = ["--data", data, "--index", 1]
    assert "sources of pairs are 0 to 2" in said(capsys, "morph", *chosen, "--out", out)
    assert "source 1 (shape1) has subindex 0 to 1" in said(capsys, "morph", *chosen, "--subindex", 7, "--out", out)
    assert "--data picks the source" in said(capsys, "morph", "a.obj", "b.obj", *chosen, "--subindex", 0, "--out", out)
    assert "add that" in said(capsys, "morph", "--index", 1, "--out", out)
    assert "that `prepare` has made" in said(capsys, "evaluate", out, "--data", out, "--index", 0, "--subindex", 0)
    (template / "shape2.off").unlink()
    assert "is no longer there" in said(capsys, "morph", *chosen, "--subindex", 1, "--out", out)
    (data / "pairs.json").write_text("{}")
    assert "is not what `prepare` writes" in said(capsys, "morph", *chosen, "--subindex", 1, "--out", out)
    assert not out.exists()


def test_a_shared_pair_in_the_layout_of_matching_keeps_its_match(tmp_path: Path) -> None:
    if DATA is None:
        pytest.skip("the shared test data is not here")
    folder = DATA / "michael_remeshed"
    pairs = np.load(folder / "corr.npy")
    target = read_mesh(folder / "target.obj")
    for role in ("source", "target"):
        write_ply(tmp_path / f"{role}.ply", read_mesh(folder / f"{role}.obj"))
    # The layout holds one source vertex for every target vertex: the last of a target vertex stays.
    numbers = np.full(target.n_vertices, 10**6)
    numbers[pairs[:, 1]] = pairs[:, 0] + 1
    np.save(tmp_path / "source-target_p2p.npy", numbers)
    assert main(["prepare", str(tmp_path), "--type", "matching", "--out", str(tmp_path / "out")]) == 0
    table = np.load(tmp_path / "out" / "table_0000_0000.npy")
    assert {tuple(row) for row in table.tolist()} <= {tuple(row) for row in pairs.tolist()}
    assert len(table) == len(np.unique(pairs[:, 1]))
