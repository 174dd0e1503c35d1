"""``fit``, as a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from backend.cli import main
from backend.geometry.shape_file import read_shape
from backend.surfaces.distance_field import read_field
from tests.cli.conftest import interrupt_when, mesh_of, start
from tests.cli.test_morph import done
from tests.obj_file import write_obj

Command = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ("--method", "full-information", "--set", "width=32", "--set", "depth=2", "--set", "frequency_2d=4")
FILES = {"field.safetensors", "picture.png", "report.json", "checkpoints"}


@pytest.fixture
def drawing(tmp_path: Path) -> Path:
    """A square with a round hole, off the origin: ``drawing.npy`` would lose the hole, so it is an OBJ of lines."""
    turn = np.linspace(0.0, 2.0 * np.pi, 61)[:-1]
    hole = 0.4 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    square = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    lines, first = [], 1
    for loop in (square, hole):
        lines += [f"v {x + 5.0} {y - 3.0} 0" for x, y in loop]
        lines.append("l " + " ".join(str(first + k) for k in [*range(len(loop)), 0]))
        first += len(loop)
    (tmp_path / "drawing.obj").write_text("\n".join(lines) + "\n")
    return tmp_path / "drawing.obj"


def report_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return found


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def steps(folder: Path) -> list[str]:
    return sorted(path.stem.removeprefix("step_") for path in (folder / "checkpoints").glob("*.safetensors"))


def test_a_drawing_becomes_a_curve_over_it_and_a_mesh_replaces_it(
    command: Command, drawing: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "out"
    ended = done(command("fit", "drawing.obj", *QUICK, "--set", "steps=400", "--out", out))
    assert "signed field by full_information" in ended.stdout
    assert "s left" in ended.stderr
    assert names(out) == FILES | {"curve.svg"}
    report = report_of(out)
    assert (report["mode"], report["training_steps"], report["interrupted"]) == ("signed", 400, None)
    assert report["metrics"]["components"] == 2
    assert report["metrics"]["chamfer_percent"] < 2.0
    assert steps(out) == ["000100", "000200", "000300", "000400"]
    curve = read_shape(out / "curve.svg")
    np.testing.assert_allclose(curve.points.min(axis=0), [4.0, -4.0], atol=0.1)
    np.testing.assert_allclose(curve.points.max(axis=0), [6.0, -2.0], atol=0.1)
    field = read_field(out / "field.safetensors")
    assert (field.values(np.array([[5.0, -3.0], [5.7, -3.7], [6.5, -3.0]])) > 0).tolist() == [True, False, True]

    write_obj(tmp_path / "ball.obj", mesh_of(trimesh.creation.icosphere(subdivisions=2)))
    done(command("fit", "ball.obj", *QUICK, "--set", "steps=900", "--resolution", 24, "--out", out))
    assert names(out) == FILES | {"surface.ply"}
    assert steps(out)[-1] == "000900"
    assert len(steps(out)) == 9
    surface = trimesh.load(out / "surface.ply")
    assert surface.is_watertight
    assert 3.0 < surface.volume < 5.0


def test_a_training_goes_on_from_its_checkpoints(
    tmp_path: Path, drawing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def fit(*arguments: object) -> int:
        return main(["fit", *map(str, arguments), "--out", "out", "--resolution", "32"])

    assert fit("drawing.obj", *QUICK, "--set", "steps=200", "--seed", 3, "--mode", "unsigned") == 0
    assert fit("drawing.obj", "--checkpoint", "latest") == 2
    assert "all 200 steps are done" in capsys.readouterr().err
    assert fit("drawing.obj", "--checkpoint", "latest", "--set", "steps=300") == 0
    report = report_of(tmp_path / "out")
    assert (report["steps_before"], report["training_steps"]) == (200, 300)
    assert (report["mode"], report["seed"], report["settings"]["width"]) == ("unsigned", 3, 32)
    assert steps(tmp_path / "out") == ["000100", "000200", "000300"]
    assert fit("drawing.obj", "--checkpoint", "100", "--set", "steps=150") == 0
    assert steps(tmp_path / "out") == ["000100", "000150"]
    for wrong, said in (
        (("drawing.obj", "--checkpoint", "70"), "there are 100, 150 and latest"),
        (("drawing.obj", "--checkpoint", "latest", "--preset", "fast"), "preset belongs to a new training"),
        (("other.npy", "--checkpoint", "latest"), "is not what out was trained on"),
    ):
        np.save("other.npy", np.random.default_rng(0).normal(size=(50, 2)))
        assert fit(*wrong) == 2
        assert said in capsys.readouterr().err
    assert steps(tmp_path / "out") == ["000100", "000150"]


def test_ctrl_c_keeps_the_best_so_far(command: Command, tmp_path: Path, drawing: Path) -> None:
    fit = ("fit", "drawing.obj", *QUICK, "--set", "steps=100000", "--out", "out")
    with start(*fit, cwd=tmp_path) as process:
        status, said = interrupt_when(process, "loss")
    assert status == 130, said
    assert "--checkpoint latest goes on with it" in said
    report = report_of(tmp_path / "out")
    assert report["interrupted"] == "training"
    assert 0 < report["training_steps"] < 100_000
    assert len(steps(tmp_path / "out")) >= 1
    again = done(command("fit", "drawing.obj", "--out", "out", "--checkpoint", "latest", "--seconds", 1))
    assert report_of(tmp_path / "out")["steps_before"] == report["training_steps"]
    assert "signed field" in again.stdout


def test_a_killed_training_is_gone_on_with(command: Command, tmp_path: Path, drawing: Path) -> None:
    fit = ("fit", "drawing.obj", *QUICK, "--set", "steps=6000", "--out", "out")
    with start(*fit, cwd=tmp_path) as process:
        assert process.stderr is not None
        while not list((tmp_path / "out").glob(".tweenfield-training/step_*.safetensors")):
            assert process.stderr.readline()
        process.kill()
    assert not (tmp_path / "out" / "report.json").exists()
    done(command("fit", "drawing.obj", "--out", "out", "--checkpoint", "latest", "--seconds", 1))
    assert names(tmp_path / "out") == FILES | {"curve.svg"}
    assert report_of(tmp_path / "out")["steps_before"] >= 300


def test_ctrl_c_before_the_training_leaves_nothing(tmp_path: Path, drawing: Path) -> None:
    with start("fit", "drawing.obj", *QUICK, "--out", "new/out", cwd=tmp_path) as process:
        status, said = interrupt_when(process, "starting")
    assert status in (130, -2), said
    assert names(tmp_path) == {"drawing.obj"}


def test_faults_are_told_in_a_line_and_leave_nothing(
    tmp_path: Path, drawing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "line.xyz").write_text("".join(f"{k} {k} {k}\n" for k in range(20)))
    (tmp_path / "open.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nl 1 2 3\n")
    for arguments, said in (
        (("drawing.obj", "--method", "other"), "not one of igr"),
        (("drawing.obj", "--preset", "other"), "preset"),
        (("drawing.obj", "--set", "nothing=1"), "nothing"),
        (("open.obj", *QUICK, "--mode", "signed"), "unsigned"),
        (
            ("open.obj", "--method", "igr", "--mode", "unsigned"),
            "signed fields only, and the shape has no inside; choose one_",
        ),
        (("line.xyz",), "line.xyz: all its points lie on a line"),
        (("missing.obj",), "missing.obj"),
        (("drawing.obj", "--checkpoint", "latest"), "no training to go on with"),
    ):
        assert main(["fit", *arguments, "--out", "out"]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert "Traceback" not in error
        assert not (tmp_path / "out").exists()
    assert main(["fit", "--list-settings"]) == 0
    assert "full_information" in capsys.readouterr().out


def test_a_dataset_is_fitted_to_like_the_shape_it_was_made_of(
    tmp_path: Path, drawing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["dataset", "drawing.obj", "--mode", "dist", "--out", "data"]) == 0
    assert main(["fit", "data", *QUICK, "--set", "steps=400", "--resolution", "64", "--out", "out"]) == 0
    report = report_of(tmp_path / "out")
    assert report["mode"] == "signed"
    assert report["metrics"]["components"] == 2
    assert report["metrics"]["sign_near"] > 0.8


def test_the_method_is_chosen_by_what_is_given(tmp_path: Path, drawing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "open.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nl 1 2 3\n")
    np.savetxt("ball.xyz", trimesh.creation.icosphere(subdivisions=2).vertices)
    quick = ("--set", "steps=2", "--set", "width=8", "--resolution", "16", "--out", "out")
    for given, method, mode in (
        (("drawing.obj",), "full_information", "signed"),
        (("drawing.obj", "--kind", "cloud"), "full_information", "signed"),
        (("ball.xyz",), "igr", "signed"),
        (("open.obj",), "full_information", "unsigned"),
    ):
        assert main(["fit", *given, *quick]) == 0
        report = report_of(tmp_path / "out")
        assert (report["method"], report["mode"]) == (method, mode)
