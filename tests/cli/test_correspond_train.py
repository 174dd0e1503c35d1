"""``correspond-shapes``, ``correspond-train`` and ``correspond-evaluate``, as processes of their own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from backend.correspondence.implicit_dense.model import read_model
from tests.cli.conftest import interrupt_when, start
from tests.cli.test_morph import done

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_from_made_shapes_to_a_model_and_its_curve(command: Command, tmp_path: Path) -> None:
    done(command("correspond-shapes", "table", "--out", "tables", "--count", 3, "--resolution", 32))
    names = sorted(path.name for path in (tmp_path / "tables").iterdir())
    assert names == ["collection.json"] + [f"table_000{n}.{s}" for n in range(3) for s in ("json", "ply")]
    before = (tmp_path / "tables" / "table_0001.ply").read_bytes()
    done(command("correspond-shapes", "table", "--out", "tables", "--count", 2, "--first", 1, "--resolution", 32))
    assert (tmp_path / "tables" / "table_0001.ply").read_bytes() == before
    assert not (tmp_path / "tables" / "table_0000.ply").exists()

    train = ("correspond-train", "tables", "--out", "tables.safetensors")
    ended = done(command(*train, "--seconds", 3))
    assert "trained; 2 meshes" in ended.stdout
    assert "s left" in ended.stderr
    assert read_model(tmp_path / "tables.safetensors").finished
    assert "--resume" in command(*train).stderr  # never replaced unasked
    done(command("correspond-train", "tables", "--out", "plain.safetensors", "--seconds", 2, "--no-cross"))
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


def test_ctrl_c_keeps_the_training_and_resume_goes_on_with_it(command: Command, tmp_path: Path) -> None:
    done(command("correspond-shapes", "mug", "--out", "mugs", "--count", 2, "--resolution", 24))
    train = ("correspond-train", "mugs", "--out", "m.safetensors")
    with start(*train, "--seconds", 6, cwd=tmp_path) as process:
        status, said = interrupt_when(process, "inverse")
    assert status == 130, said
    assert "--resume goes on with it" in said
    stopped = read_model(tmp_path / "m.safetensors")
    assert stopped.at.stage >= 3
    ended = done(command(*train, "--resume"))
    assert "occupancy" not in ended.stderr
    model = read_model(tmp_path / "m.safetensors")
    assert model.finished
    assert 5.0 < model.at.seconds < 8.0
    (tmp_path / "mugs" / "mug_0001.ply").unlink()
    (tmp_path / "mugs" / "mug_0000.ply").rename(tmp_path / "mugs" / "other.ply")
    said = command("correspond-train", "mugs", "--out", "m.safetensors", "--resume").stderr
    assert "it takes 2 at least" in said


def test_faults_of_the_command_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "model").write_bytes(b"no model")
    for arguments, words in (
        (("correspond-train", "none", "--out", "m"), "holds 0 meshes"),
        (("correspond-train", "none", "--out", "none"), "is a folder"),
        (("correspond-train", "none", "--out", "m", "--resume"), "no such model"),
        (("correspond-train", "nowhere", "--out", "m"), "is not a folder"),
        (("correspond-evaluate", "model", "none"), "not a model"),
        (("correspond-shapes", "boat", "--out", "boats"), "not one of chair, mug, table"),
    ):
        ended = command(*arguments)
        assert ended.returncode == 2
        assert words in ended.stderr
        assert len(ended.stderr.strip().splitlines()) == 1
