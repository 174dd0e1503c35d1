"""``correspond-shapes``, ``correspond-train`` and ``correspond-evaluate``, as processes of their own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.cli import main
from backend.correspondence.implicit_dense.model import read_model
from tests.cli.conftest import interrupt_when, start
from tests.cli.test_morph import done

Command = Callable[..., subprocess.CompletedProcess[str]]


def make(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def test_from_made_shapes_to_a_model_and_its_curve(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make("correspond-shapes", "table", "--out", "tables", "--count", 3, "--resolution", 32)
    names = sorted(path.name for path in (tmp_path / "tables").iterdir())
    assert names == ["collection.json"] + [f"table_000{n}.{s}" for n in range(3) for s in ("json", "ply")]
    before = (tmp_path / "tables" / "table_0001.ply").read_bytes()
    make("correspond-shapes", "table", "--out", "tables", "--count", 2, "--first", 1, "--resolution", 32)
    assert (tmp_path / "tables" / "table_0001.ply").read_bytes() == before
    assert not (tmp_path / "tables" / "table_0000.ply").exists()

    train = ("correspond-train", "tables", "--out", "tables.safetensors")
    ended = done(command(*train, "--seconds", 2))
    assert "trained; 2 meshes" in ended.stdout
    assert "s left" in ended.stderr
    assert read_model(tmp_path / "tables.safetensors").finished
    assert "--resume" in command(*train).stderr  # never replaced unasked
    done(command("correspond-train", "tables", "--out", "plain.safetensors", "--seconds", 1, "--no-cross"))
    ended = done(
        command(
            "correspond-evaluate", "tables.safetensors", "tables", "--beside", "plain.safetensors", "--out", "c.json"
        )
    )
    lines = ended.stdout.splitlines()
    assert lines[0] == "2 shapes, 2 ordered pairs"
    assert [line.split("  ")[0] for line in lines[2:]] == [
        "tables.safetensors",
        "plain.safetensors",
        "nearest point",
        "nearest point and normal",
    ]
    report = json.loads((tmp_path / "c.json").read_text())
    for way in report["ways"].values():
        assert len(way["share"]) == len(way["distances"]) == 26
        assert way["share"] == sorted(way["share"])


def test_ctrl_c_keeps_the_training_and_resume_goes_on_with_it(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make("correspond-shapes", "mug", "--out", "mugs", "--count", 2, "--resolution", 24)
    train = ("correspond-train", "mugs", "--out", "m.safetensors")
    with start(*train, "--seconds", 5, cwd=tmp_path) as process:
        status, said = interrupt_when(process, "inverse")
    assert status == 130, said
    assert "--resume goes on with it" in said
    stopped = read_model(tmp_path / "m.safetensors")
    assert stopped.at.stage >= 3
    ended = done(command(*train, "--resume"))
    assert "occupancy" not in ended.stderr
    model = read_model(tmp_path / "m.safetensors")
    assert model.finished
    assert 4.0 < model.at.seconds < 8.0
    (tmp_path / "mugs" / "mug_0001.ply").unlink()
    (tmp_path / "mugs" / "mug_0000.ply").rename(tmp_path / "mugs" / "other.ply")
    said = command("correspond-train", "mugs", "--out", "m.safetensors", "--resume").stderr
    assert "it takes 2 at least" in said


def test_what_cannot_be_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "none").mkdir()
    (tmp_path / "model").write_bytes(b"no model")
    pair = tmp_path / "pair"
    pair.mkdir()
    (pair / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (pair / "b.obj").write_text("no mesh")
    (pair / "notes.txt").write_text("mine")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    for arguments, words in (
        (("correspond-train", "none", "--out", "m"), "holds 0 meshes"),
        (("correspond-train", "none", "--out", "none"), "is a folder"),
        (("correspond-train", "none", "--out", "m", "--resume"), "no such model"),
        (("correspond-train", "nowhere", "--out", "m"), "is not a folder"),
        (("correspond-train", "none/x", "--out", "m"), "none/x: is not a folder"),
        (("correspond-train", "pair", "--out", "m"), "pair/b.obj: there are no vertices"),
        (("correspond-train", "pair", "--out", "pair/a.obj"), "exists"),
        (("correspond-train", "pair", "--out", "pair/a.obj", "--force"), "is one of the meshes"),
        (("correspond-train", "pair", "--out", "no/m"), "no: is not a folder"),
        (("correspond-train", "pair", "--out", "/proc/m"), "cannot be written"),
        (("correspond-train", "pair", "--out", "m", "--device", "abacus"), "abacus"),
        (("correspond-evaluate", "model", "none"), "not a model"),
        (("correspond-shapes", "boat", "--out", "boats"), "not one of chair, mug, table"),
    ):
        assert main(list(arguments)) == 2
        told = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
        assert len(told) == 1
        assert words in told[0]
        assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before
