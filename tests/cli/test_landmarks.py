"""``morph`` where the vertex order says nothing: landmarks from a file, ways to match, and what is said of them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.cli import main
from backend.commands.job import read_config
from backend.commands.morph import add_arguments, summary
from backend.commands.parser import Parser, spelled
from backend.geometry.io import read_mesh
from tests.cli.test_backend_commands import connection_file as connection_file
from tests.cli.test_morph import contents, done
from tests.meshes import icosphere, torus
from tests.obj_file import write_obj
from tests.one_thread import one_thread as one_thread
from tests.shapes_to_match import creature, shuffled

Command = Callable[..., subprocess.CompletedProcess[str]]
PICKED = (0, 12, 40, 90, 120)


@pytest.fixture
def unordered(tmp_path: Path) -> np.ndarray:
    """``source.obj``, ``target.obj`` and ``clicks.json``; the target vertex [V] of every vertex of the source."""
    source = creature(2)
    target, place = shuffled(source)
    write_obj(tmp_path / "source.obj", source)
    write_obj(tmp_path / "target.obj", target)
    pairs = [[k, int(place[k])] for k in PICKED]
    (tmp_path / "clicks.json").write_text(json.dumps({"pairs": pairs}))
    return place


def test_landmarks_find_the_match_here_and_at_a_backend(
    command: Command, unordered: np.ndarray, tmp_path: Path, connection_file: Path
) -> None:
    job = ("source.obj", "target.obj", "--method", "linear", "--frames", 3, "--landmarks", "clicks.json")
    said = done(command("morph", *job, "--out", "here", "--correspondence", "nonrigid"))
    done(command("morph", *job, "--out", "there", "--correspondence", "nonrigid", "--connect", connection_file))
    here, there = contents(tmp_path / "here"), contents(tmp_path / "there")
    assert len(here) == 4
    assert here == there
    reports = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("here", "there")]
    for report in reports:
        assert (report["correspondence"], report["topology"]) == ("nonrigid", "keep")
        assert report["matching"]["landmarks"] == len(PICKED)
        assert (report["files"]["landmarks"], report["files"]["table"]) == ("clicks.json", None)
    assert reports[0]["said"] == reports[1]["said"]
    assert all(f"match: {sentence}" in said.stdout for sentence in reports[0]["said"])


def test_auto_finds_a_match(command: Command, unordered: np.ndarray, tmp_path: Path) -> None:
    done(command("morph", "source.obj", "target.obj", "--out", "out", "--method", "linear", "--frames", 2))
    last = read_mesh(tmp_path / "out" / "frame_0001.ply").positions()
    true = read_mesh(tmp_path / "target.obj").positions()[unordered]
    assert np.linalg.norm(last - true, axis=1).mean() < 0.02
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["correspondence"] == "spectral"
    assert report["files"]["landmarks"] is None
    assert report["metrics"]["endpoints"]["t1"]["chamfer"] < 0.01


@pytest.mark.usefixtures("unordered")
def test_what_cannot_be_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "far.json").write_text('{"pairs": [[0, 1], [3, 162]]}')
    (tmp_path / "twice.json").write_text('{"pairs": [[0, 1], [0, 2]]}')
    (tmp_path / "few.json").write_text('{"pairs": [[0, 1]]}')
    np.save(tmp_path / "table.npy", np.zeros((3, 2), int))
    write_obj(tmp_path / "ball.obj", icosphere(2, 0.5))
    write_obj(tmp_path / "ring.obj", torus(24, 12, 0.5, 0.2))
    pair, others = ("source.obj", "target.obj"), ("ball.obj", "ring.obj")
    for meshes, options, words in (
        (pair, ("--landmarks", "absent.json"), "absent.json: cannot be read (No such file"),
        (pair, ("--landmarks", "source.obj"), "source.obj: is no JSON"),
        (pair, ("--landmarks", "far.json"), "far.json: landmark 2 names target vertex 162"),
        (pair, ("--landmarks", "twice.json"), "twice.json: landmarks 1 and 2 both name source vertex 0"),
        (pair, ("--landmarks", "clicks.json", "--correspondence", "vertex_order"), "do not go with vertex-order"),
        (pair, ("--landmarks", "clicks.json", "--correspondence", "table.npy"), "do not go with table"),
        (pair, ("--correspondence", "landmarks"), "no landmarks to go by"),
        (pair, ("--correspondence", "landmarks", "--landmarks", "few.json"), "landmarks"),
        (pair, ("--model", "source.obj"), "a model does not go with auto"),
        (pair, ("--correspondence", "implicit-dense", "--model", "absent"), "absent: cannot be read (No such file"),
        (pair, ("--correspondence", "implicit-dense", "--model", "source.obj"), "not a model of `correspond-train`"),
        (pair, ("--correspondence", "spectal"), "spectal: cannot be read|vertex-order, landmarks, spectral, nonrigid"),
        (
            others,
            (),
            "do not share their vertex order|no match was found that can be trusted|"
            "Pick landmarks, a few pairs of vertices that belong together (--landmarks FILE",
        ),
    ):
        status = main(["morph", *meshes, "--out", "no", "--method", "linear", *options])
        assert status == 2
        told = capsys.readouterr().err.splitlines()[-1]
        assert [part for part in words.split("|") if part not in told] == []
        assert not (tmp_path / "no").exists()


def parsed(*words: str) -> dict[str, object]:
    parser = Parser("tweenfield morph", "")
    add_arguments(parser)
    return vars(parser.read(spelled(["a.obj", "b.obj", "--out", "out", *words])))


def test_options_and_their_entries_in_a_config_file(tmp_path: Path) -> None:
    file = tmp_path / "job.toml"
    file.write_text('landmarks = "clicks.json"\ncorrespondence = "implicit_dense"\n')
    assert read_config(file)["landmarks"] == Path("clicks.json")
    found = parsed("--config", str(file), "--correspondence", "spectral")
    assert (found["landmarks"], found["correspondence"]) == (Path("clicks.json"), "spectral")
    assert parsed()["landmarks"] is None


def test_the_summary_tells_what_was_said_of_the_match() -> None:
    report = {
        "warnings": ["thin"],
        "said": ["matched by 5 landmarks"],
        "interrupted": None,
        "phases": {},
        "frames": 2,
        "method": "linear",
        "metrics": None,
    }
    assert summary(Path("out"), report).splitlines()[:2] == ["warning: thin", "match: matched by 5 landmarks"]
