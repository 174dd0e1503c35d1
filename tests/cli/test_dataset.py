"""``dataset``: the folder it leaves, what it refuses to overwrite, and that a stop leaves nothing behind."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.cli import main
from backend.surfaces.dataset_folder import read_dataset
from tests.cli.conftest import interrupt_when, start
from tests.meshes import icosphere
from tests.obj_file import write_obj

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ball(tmp_path: Path) -> Path:
    write_obj(tmp_path / "ball.obj", icosphere(3, 5.0))
    return tmp_path / "ball.obj"


def few(*arguments: object) -> list[str]:
    return ["dataset", *map(str, arguments), "--count", "200", "--test", "60"]


def test_it_writes_a_dataset(command: Command, ball: Path, tmp_path: Path) -> None:
    done = command(*few(ball, "--mode", "signed", "--out", tmp_path / "d"))
    assert done.returncode == 0, done.stderr
    assert "signed dataset in" in done.stdout
    assert "Xtrain_in 200x3" in done.stdout
    data = read_dataset(tmp_path / "d")
    radius = {name: np.linalg.norm(data.frame.leave(values), axis=1) for name, values in data.arrays.items()}
    assert (radius["inside"] < 5.0).all()
    assert (radius["outside"] > 4.9).all()
    facts = json.loads((tmp_path / "d" / "dataset.json").read_text())["facts"]
    assert facts["input"] == str(ball)
    assert facts["importance"] is True


def test_an_earlier_dataset_is_not_overwritten_unless_forced(
    ball: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "d"
    assert main(few(ball, "--mode", "signed", "--out", out)) == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert main(few(ball, "--mode", "dist", "--out", out)) == 2
    assert f"{out}: holds a dataset already" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert main(few(ball, "--mode", "dist", "--out", out, "--force")) == 0
    assert {path.name for path in out.iterdir()} == {
        "dataset.json",
        *(f"ball_{name}.npy" for name in ("Xtrain", "Ytrain", "Xtest", "Ytest")),
    }


def test_a_folder_of_other_files_is_not_written_into(ball: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(few(ball, "--mode", "dist", "--out", ball.parent)) == 2
    assert "the folder holds other files" in capsys.readouterr().err
    assert [path.name for path in ball.parent.iterdir()] == ["ball.obj"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.obj", "--mode", "dist"], "none.obj: there is no such file"),
        (["flat.obj", "--mode", "signed"], "the shape has no inside"),
        (["three.xyz", "--mode", "dist"], "three.xyz: its cloud has 3 distinct points"),
        (["ball.obj", "--mode", "SAL", "--kind", "polyline"], "ball.obj: it has faces and no lines"),
        (["ball.obj", "--mode", "best"], "'best' is not one of signed, unsigned, dist, sal"),
        (["ball.obj", "--mode", "dist", "--count", "0"], "'0' is not a whole number from 1"),
        (["ball.obj"], "the following arguments are required: --mode"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    ball: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(ball.parent)
    Path("flat.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    Path("three.xyz").write_text("0 0 0\n1 0 0\n0 1 2\n")
    assert main(["dataset", *arguments, "--out", "new/d"]) == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert not Path("new").exists()


def test_options(ball: Path, tmp_path: Path) -> None:
    out = tmp_path / "d"
    assert main(["dataset", str(ball), "--mode", "unsigned", "--out", str(out), "--paper", "--test", "0"]) == 0
    assert len(read_dataset(out).arrays["on"]) == 100_000
    assert read_dataset(out).test_points is None
    given = ["--kind", "cloud", "--dimension", "2", "--no-importance", "--seed", "7", "--force"]
    assert main([*few(ball, "--mode", "unsigned", "--out", out), *given]) == 0
    data = read_dataset(out)
    assert (data.dimension, data.facts["kind"], data.facts["importance"], data.facts["seed"]) == (2, "cloud", False, 7)


def test_ctrl_c_leaves_nothing(ball: Path, tmp_path: Path) -> None:
    arguments = ["dataset", ball, "--mode", "dist", "--out", tmp_path / "new" / "d", "--count", "3000000"]
    with start(*arguments, cwd=tmp_path) as process:
        status, text = interrupt_when(process, "preparing")
    assert status == 130, text
    assert "stopped" in text
    assert "Traceback" not in text
    assert not (tmp_path / "new").exists()
