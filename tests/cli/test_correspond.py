"""``correspond``: what it leaves, what it says, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.cli import main
from backend.commands.bench.correspondence import Matched, correspondence_table
from backend.commands.bench.isometric import near_isometric
from backend.commands.bench.pairs import SHIPPED
from backend.commands.bench.proportions import Growth
from backend.commands.correspond import summary
from backend.correspondence.table import read_table
from backend.evaluation.map_accuracy import map_accuracy
from backend.evaluation.map_picture import map_picture
from backend.evaluation.render import Quality
from backend.geometry.io import read_mesh, write_ply
from protocol.mesh import MeshData
from tests.cli.conftest import interrupt_when, start
from tests.cli.test_morph import done
from tests.meshes import grid, icosphere, limbs, torus
from tests.one_thread import one_thread as one_thread
from tests.shapes_to_match import shuffled

Command = Callable[..., subprocess.CompletedProcess[str]]
FILES = {"map.npy", "points.npy", "confidence.npy", "table.npz", "map.png", "report.json"}
LOOSE = 3  # vertices of the source without a face


@pytest.fixture
def place(tmp_path: Path) -> np.ndarray:
    """``source.ply``, ``target.ply``, ``truth.npy`` and ``clicks.json``; the target vertex [V - LOOSE] of each."""
    shape, _ = limbs(3)
    target, place = shuffled(shape)
    stray = np.concatenate([shape.positions(), np.full((LOOSE, 3), 9.0)])
    write_ply(tmp_path / "source.ply", MeshData.from_positions(stray, shape.face_offsets, shape.face_indices))
    write_ply(tmp_path / "target.ply", target)
    np.save(tmp_path / "truth.npy", np.concatenate([place, np.full(LOOSE, -1)]).astype(np.int32))
    pairs = [[int(k), int(place[k])] for k in np.linspace(0, len(place) - 1, 12).astype(int)]
    (tmp_path / "clicks.json").write_text(json.dumps({"pairs": pairs}))
    return place


def test_what_it_leaves_is_the_match(
    command: Command, place: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = done(command("correspond", "source.ply", "target.ply", "--out", "out", "--truth", "truth.npy"))
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == FILES
    count = len(place) + LOOSE
    vertices, points, confidence = (np.load(out / f"{name}.npy") for name in ("map", "points", "confidence"))
    assert (vertices.dtype, vertices.shape) == (np.int32, (count,))
    assert (points.dtype, points.shape) == (np.float32, (count, 3))
    assert (confidence.dtype, confidence.shape) == (np.float32, (count,))
    assert confidence.min() >= 0.0
    assert confidence.max() <= 1.0
    assert (vertices[-LOOSE:] == -1).all()
    assert np.isnan(points[-LOOSE:]).all()
    assert not confidence[-LOOSE:].any()

    target = read_mesh(tmp_path / "target.ply").positions()
    known = vertices[: len(place)] >= 0
    assert known.mean() > 0.99
    off = np.linalg.norm(points[: len(place)] - target[place], axis=1)[known]
    assert off.mean() < 0.03
    assert np.linalg.norm(points - target[vertices], axis=1)[:-LOOSE][known].max() < 0.3  # a corner of its triangle

    report = json.loads((out / "report.json").read_text())
    assert report["way"] == "spectral"
    assert report["vertices"] == count
    assert report["without_counterpart"] == (vertices < 0).sum()
    assert report["facts"]["map_energy"] < 0.25
    assert report["mean_confidence"] == pytest.approx(confidence.mean(), abs=1e-6)
    assert 0.0 < report["seconds"] < 60.0
    assert "3 vertices without a face" in report["warnings"][0]
    truth = report["truth"]
    assert truth["pairs"] == 400
    assert 0.0 < truth["mean_geodesic_error_x100"] < 2.0
    assert report["files"]["truth"] == "truth.npy"
    for words in ("against the truth: mean geodesic error", "spectral in", "vertices without a counterpart: out"):
        assert words in said.stdout
    with Image.open(out / "map.png") as picture:
        assert picture.width > 600

    # Both are tables that morph takes.
    monkeypatch.chdir(tmp_path)
    pairs, _ = read_table(out / "map.npy", count)
    assert len(pairs) == (vertices >= 0).sum()
    same, weights = read_table(out / "table.npz", count)
    assert np.array_equal(same, pairs)
    assert np.array_equal(weights, confidence[same[:, 0]])
    for number, name in enumerate(("map.npy", "table.npz")):
        job = ("source.ply", "target.ply", "--out", f"morphed{number}", "--method", "linear", "--frames", "2")
        assert main(["morph", *job, "--correspondence", f"out/{name}"]) == 0
        last = read_mesh(tmp_path / f"morphed{number}" / "frame_0001.ply").positions()[: len(place)]
        assert np.linalg.norm(last - target[place], axis=1).mean() < 0.03

    # An earlier match is replaced.
    again = ("--method", "landmarks", "--landmarks", "clicks.json")
    assert main(["correspond", "source.ply", "target.ply", "--out", "out", *again]) == 0
    report = json.loads((out / "report.json").read_text())
    assert (report["way"], report["files"]["landmarks"]) == ("nonrigid", "clicks.json")
    assert "truth" not in report
    moved = np.load(out / "points.npy")[: len(place)]
    assert np.nanmean(np.linalg.norm(moved - target[place], axis=1)) < 0.05


@pytest.mark.usefixtures("place")
def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    with start("correspond", "source.ply", "target.ply", "--out", "new/out", cwd=tmp_path) as process:
        status, said = interrupt_when(process, "matching")
    assert status == 130, said
    assert said.splitlines()[-1] == "tweenfield: stopped"
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.usefixtures("place")
def test_what_cannot_be_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "far.json").write_text('{"pairs": [[0, 9999]]}')
    (tmp_path / "loose.json").write_text('{"pairs": [[642, 1]]}')
    (tmp_path / "few.json").write_text('{"pairs": [[0, 1]]}')
    (tmp_path / "cloud.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "notes.txt").write_text("mine")
    morphed = tmp_path / "morphed"
    morphed.mkdir()
    (morphed / "report.json").write_text('{"versions": {"tweenfield": "1"}}')
    np.save(morphed / "map.npy", np.zeros(3, np.int32))
    np.save(tmp_path / "wide.npy", np.array([[0, 9999]]))
    before = sorted(tmp_path.rglob("*"))
    pair = ("source.ply", "target.ply")
    for arguments, words in (
        ((*pair,), "--out"),
        (("source.ply", "--out", "no"), "TARGET"),
        (("absent.ply", "target.ply", "--out", "no"), "absent.ply"),
        (("cloud.obj", "target.ply", "--out", "no"), "cloud.obj: "),
        (("source.ply", "cloud.obj", "--out", "no"), "cloud.obj: "),
        ((*pair, "--out", "no", "--method", "table"), "'table' is not one of auto, vertex-order, landmarks, spectral"),
        ((*pair, "--out", "no", "--method", "vertex_order"), "the source has 645 vertices and the target 642"),
        ((*pair, "--out", "no", "--method", "vertex-order", "--landmarks", "few.json"), "do not go with vertex-order"),
        ((*pair, "--out", "no", "--method", "landmarks"), "no landmarks to go by"),
        ((*pair, "--out", "no", "--method", "nonrigid", "--landmarks", "few.json"), "3 or more are needed"),
        ((*pair, "--out", "no", "--landmarks", "far.json"), "far.json: landmark 1 names target vertex 9999"),
        ((*pair, "--out", "no", "--landmarks", "loose.json"), "which is no corner of a face"),
        ((*pair, "--out", "no", "--landmarks", "absent.json"), "absent.json: cannot be read"),
        ((*pair, "--out", "no", "--method", "implicit-dense", "--model", "none"), "none: the model cannot be read"),
        ((*pair, "--out", "no", "--model", "source.ply"), "--model belongs to --method implicit-dense"),
        ((*pair, "--out", "no", "--method", "implicit_dense", "--model", "source.ply"), "source.ply"),
        ((*pair, "--out", "no", "--truth", "wide.npy"), "wide.npy: row 0 names target vertex 9999"),
        ((*pair, "--out", "no", "--truth", "absent.npy"), "absent.npy: cannot be read"),
        ((*pair, "--out", "no", "--device", "abacus"), "abacus"),
        ((*pair, "--out", "source.ply"), "is a file"),
        ((*pair, "--out", "others"), "holds other files"),
        ((*pair, "--out", "morphed"), "holds other files"),
        ((*pair, "--out", "morphed", "--force", "--truth", "morphed/map.npy"), "would be replaced"),
    ):
        assert main(["correspond", *arguments]) == 2
        told = capsys.readouterr().err.splitlines()
        assert words in told[-1], told
        assert len([line for line in told if "error" in line]) == 1
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("room", [400, 12_000])
def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, room: int) -> None:
    """The first array or the picture does not fit any more."""
    import resource

    before = {path.name for path in tmp_path.iterdir()}
    full = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (room, room))
    arguments = ("source.ply", "target.ply", "--out", "out", "--method", "nonrigid", "--landmarks", "clicks.json")
    with start("correspond", *arguments, cwd=tmp_path, before=full) as process:
        _, said = process.communicate(timeout=100)
    assert process.returncode == 2, said
    assert "Traceback" not in said
    assert "out: cannot be written" in said.splitlines()[-1]
    assert {path.name for path in tmp_path.iterdir()} == before


def test_the_summary_tells_what_is_not_to_be_trusted() -> None:
    truth = {"mean_geodesic_error_x100": 12.0, "share_over_0.1": 0.4, "of_those_in_lowest_fifth_of_confidence": 0.5}
    report = {
        "way": "none",
        "said": ["pick five"],
        "warnings": ["thin"],
        "mean_confidence": 0.3,
        "without_counterpart": 2,
        "vertices": 9,
        "seconds": 1.0,
        "truth": truth,
    }
    lines = summary(Path("out"), report).splitlines()
    assert lines[:2] == ["warning: thin", "match: pick five"]
    assert "error 12.00 hundredths" in lines[2]
    assert "50% of these in the lowest fifth" in lines[2]
    assert lines[3].startswith("found nothing to be trusted in 1.0 s, mean confidence 0.30, 2 of 9 vertices without")


def test_accuracy_is_along_the_surface() -> None:
    mesh = grid(8, 2.0)  # area 4
    mapped = mesh.positions()
    truth = np.repeat(np.arange(mesh.n_vertices)[:, None], 2, axis=1)
    confidence = np.ones(len(mapped))
    exact = map_accuracy(truth, mapped, confidence, mesh)
    assert (exact.mean, exact.wrong, exact.doubted, exact.missing) == (pytest.approx(0.0, abs=1e-7), 0.0, None, 0.0)
    mapped[:8, 0] = 2.0  # most of the row x = 0 goes to the far end, 2 or a little more away
    mapped[8:10] = np.nan
    confidence[:6] = 0.1
    found = map_accuracy(truth, mapped, confidence, mesh)
    assert found.missing == pytest.approx(2 / 81)
    assert found.mean == pytest.approx(8 / 79, rel=0.02)
    assert found.wrong == pytest.approx(8 / 79)
    assert found.doubted == 1.0
    nothing = map_accuracy(truth, np.full_like(mapped, np.nan), confidence, mesh)
    assert (nothing.mean, nothing.missing) == (None, 1.0)
    assert nothing.plain()["mean_geodesic_error_x100"] is None


def test_the_picture_carries_colours_and_greys_doubts(tmp_path: Path) -> None:
    """A sphere on itself: both sides look alike; doubted, the source has no colour."""
    ball = icosphere(3)
    pictures = []
    for number, confidence in enumerate((1.0, 0.0)):
        path = tmp_path / f"{number}.png"
        trust = np.full(ball.n_vertices, confidence)
        map_picture(ball, ball, ball.positions(), trust, "", path, tile_area=4000, quality=Quality(1, 4))
        with Image.open(path) as image:
            pictures.append(np.asarray(image, float))
    half = pictures[0].shape[1] // 2
    saturation = [np.ptp(picture, axis=2) for picture in pictures]
    shape = saturation[0][:, half:] > 40
    assert shape.mean() > 0.2
    assert np.abs(pictures[0][:, :half] - pictures[0][:, half:])[shape].mean() < 6.0
    assert saturation[1][:, :half][shape].max() < 25
    assert np.array_equal(saturation[1][:, half:] > 40, shape)


def test_bench_makes_pairs_of_known_truth_and_a_table() -> None:
    pairs = list(near_isometric([SHIPPED]))
    assert [pair.name for pair in pairs] == ["fox, half a stride", "fox, a stride"]
    for pair in pairs:
        assert 4000 < pair.source.n_vertices < 5000
        assert pair.target.n_faces == 7000
        assert pair.truth.max(axis=0)[1] < pair.target.n_vertices
    truth = {
        "mean_geodesic_error_x100": 1.25,
        "share_over_0.1": 0.02,
        "of_those_in_lowest_fifth_of_confidence": 0.5,
    }
    report = {
        "truth": truth,
        "facts": {"map_energy": 0.081},
        "way": "spectral",
        "said": [],
        "seconds": 6.0,
        "cpu_seconds": 5.5,
        "peak_memory_bytes": 4.5e8,
    }
    swapped = {**report, "truth": {**truth, "mean_geodesic_error_x100": 22.0}}
    found = [Matched(pairs[0], {0: report, 5: report}), Matched(pairs[1], {0: swapped, 5: report})]
    grown = [Matched(pairs[0], dict.fromkeys((5, 10, 20), report))]
    lines = correspondence_table(found, grown, found[0]).splitlines()
    assert "| 1.25 | 1.25 | 1.25 | 2.0% | 50% | spectral | 6.0 | 5.5 | 450 |" in lines[-1]
    assert "| 1.25 | 1.25 | 2.0% | 50% | no | 0.081 |" in lines[6]
    assert "| 22 | 1.25 |" in lines[7]
    assert "| pairs with an error under 2.5, no landmarks | 1 of 2 | 9 of 10 |" in lines
    assert "| matches with an error of 10 or more of which no doubt is told | 1 | 0 |" in lines
    assert any("vertices: peak memory | 0.45 GB | 4 GB" in line for line in lines)


def test_other_proportions_are_longer_legs_and_a_wider_trunk() -> None:
    growth = Growth("tall", "fox", 2, (0.5, 2.0), (0.4, 0.6, 2.0, 3.0), (1.0, 3.0))
    column = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 5.0], [1.0, 2.0, 10.0], [0.0, 0.0, 10.0]])
    grown = growth(column)
    np.testing.assert_allclose(grown[:, 2], [0.0, 0.0, 10.0, 15.0, 15.0])
    np.testing.assert_allclose(grown[:, 0], column[:, 0])
    np.testing.assert_allclose(grown[:, 1], [0.0, 2.0, -1.0, 4.0, -2.0])


def test_unlike_shapes_leave_a_warning_and_no_lie(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_ply(tmp_path / "ring.ply", torus(24, 12))
    write_ply(tmp_path / "ball.ply", icosphere(2))
    ends = [str(tmp_path / name) for name in ("ring.ply", "ball.ply")]
    assert main(["correspond", *ends, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "pick five or more landmarks" in said
    assert "found nothing to be trusted" in said
    assert np.load(tmp_path / "out" / "confidence.npy").mean() < 0.5
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES - {"table.npz"}
