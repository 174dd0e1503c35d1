"""Commands that use a backend process: ``morph --connect``, ``demo``, ``doctor``, ``bench``."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import trimesh

from backend.commands.bench.pairs import SHIPPED, find_pairs
from backend.commands.bench.quality import PairResult, quality_table
from backend.commands.bench.table import document
from backend.commands.parser import CommandError
from backend.evaluation.evaluate import evaluate
from tests.cli.conftest import interrupt_when, start, wait_for
from tests.cli.test_morph import DRAFT, contents, done
from tests.meshes import icosphere, torus

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def connection_file(tmp_path: Path) -> Iterator[Path]:
    """A backend of ``serve`` for one test; it must end within 20 s of SIGTERM."""
    with start("serve", "--connection-file", "backend.json", "--journal", "journal", cwd=tmp_path) as process:
        assert process.stdout is not None
        assert "backend.json" in process.stdout.readline()
        yield tmp_path / "backend.json"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_the_same_bytes_through_a_backend(
    command: Command, pair: tuple[Path, Path], tmp_path: Path, connection_file: Path
) -> None:
    job = (*pair, *DRAFT, "--frames", 4, "--carry", pair[1], "--seed", 3)
    done(command("morph", *job, "--out", "here"))
    done(command("morph", *job, "--out", "there", "--connect", connection_file))
    here, there = contents(tmp_path / "here"), contents(tmp_path / "there")
    assert len(here) == 9
    assert here == there
    reports = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("here", "there")]
    for key in ("method", "settings", "seed", "raw_flow_corr_error_t1", "training_loss"):
        assert reports[0][key] == reports[1][key]
    assert reports[0]["metrics"]["fixed"] == reports[1]["metrics"]["fixed"]

    (job_of_there,) = (tmp_path / "journal").glob("*/finished.bin")
    done(command("bake", job_of_there, "--out", "again", "--frames", 4, "--carry", pair[1]))
    again = contents(tmp_path / "again")
    assert len(again) == 8
    assert {name: there[name] for name in again} == again

    refused = command("morph", *pair, "--out", "no", "--connect", connection_file, "--set", "steps=-1")
    assert refused.returncode == 2
    assert "steps is -1; it must be" in refused.stderr
    assert not (tmp_path / "no").exists()


LONG = ("--set", "steps=100000", "--preset", "draft", "--frames", 4, "--connect")


def states(folder: Path) -> list[str]:
    """Of every job in a backend's journal."""
    return [json.loads(path.read_text())["state"] for path in (folder / "journal").glob("*/job.json")]


def test_ctrl_c_keeps_what_the_backend_has_trained(
    pair: tuple[Path, Path], tmp_path: Path, connection_file: Path
) -> None:
    process = start("morph", *pair, "--out", "out", *LONG, connection_file, cwd=tmp_path)
    status, said = interrupt_when(process, "/100000")
    assert status == 130
    assert "stopped while training; what was done is kept" in said
    assert "Traceback" not in said
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["interrupted"] == "training"
    assert report["frames"] == 4
    assert 0 < report["training_steps"] < 100_000
    assert report["metrics"]["endpoints"]["t1"]["chamfer"] < 0.05
    assert (tmp_path / "out" / "morph.safetensors").stat().st_size > 1000
    assert states(tmp_path) == ["done"]


def test_ctrl_c_pressed_again_cancels(pair: tuple[Path, Path], tmp_path: Path, connection_file: Path) -> None:
    process = start("morph", *pair, *LONG, connection_file, "--frames", 20000, "--out", "out", cwd=tmp_path)
    wait_for(process, "/100000")
    process.send_signal(signal.SIGINT)
    status, said = interrupt_when(process, "keeping what is done")
    assert status == 130
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()
    assert states(tmp_path) == ["cancelled"]


def test_ctrl_c_while_frames_come_says_what_it_takes(
    pair: tuple[Path, Path], tmp_path: Path, connection_file: Path
) -> None:
    job = (*pair, "--method", "linear", "--topology", "keep", "--frames", 20000, "--connect", connection_file)
    process = start("morph", *job, "--out", "out", cwd=tmp_path)
    wait_for(process, "receiving")
    process.send_signal(signal.SIGINT)
    status, said = interrupt_when(process, "are to come (Ctrl-C again: cancel, keep nothing)")
    assert status == 130
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".tweenfield-*"))


def test_ctrl_c_cancels_what_is_not_trained_yet(pair: tuple[Path, Path], tmp_path: Path, connection_file: Path) -> None:
    words = ("morph", *pair, *LONG, connection_file, "--out")
    first = start(*words, "first", cwd=tmp_path)
    wait_for(first, "/100000")
    assert interrupt_when(start(*words, "second", cwd=tmp_path), "waiting for other jobs")[0] == 130
    assert sorted(states(tmp_path)) == ["cancelled", "running"]
    assert not (tmp_path / "second").exists()
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=30)
    assert sorted(states(tmp_path)) == ["cancelled", "done"]


def test_demo(command: Command, tmp_path: Path) -> None:
    """The demo as a newcomer runs it, but at the draft preset: everything is there, and no process is left."""
    said = done(command("demo", "--preset", "draft", "--frames", 6))
    out = tmp_path / "tweenfield-demo"
    frames = {f"frame_{k:04d}.ply" for k in range(6)}
    others = {"report.json", "contact_sheet.png", "morph.safetensors", "morph.glb"}
    assert {path.name for path in out.iterdir()} == frames | others
    assert str(out) in said.stdout
    assert re.search(r"training +\[[#-]{24}\] +\d+/\d+ +loss [\d.]+ .* left", said.stderr)
    report = json.loads((out / "report.json").read_text())
    assert report["metrics"]["endpoints"]["t1"]["chamfer"] < 0.01
    scene = trimesh.load(out / "morph.glb")
    assert sum(len(mesh.vertices) for mesh in scene.geometry.values()) >= 290
    left = [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or [])]
    assert left == []


def test_doctor_finds_all_well(command: Command) -> None:
    said = done(command("doctor"))
    assert "All is well." in said.stdout
    for word in ("PyTorch", "device cpu", "127.0.0.1", "a backend starts, answers and ends", "fox", "bpy"):
        assert word in said.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="sets the folders of Linux and macOS")
def test_doctor_says_how_to_mend(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    said = command("doctor", "--no-backend")
    assert said.returncode == 1
    assert "FAIL  folder for jobs" in said.stdout
    assert "-> give yourself the right to write to" in said.stdout
    assert "1 thing to mend" in said.stdout


def test_bench_measures_the_shipped_pair(command: Command, tmp_path: Path) -> None:
    done(command("bench", "--parts", "quality", "--seconds", 3, "--out", "table.md"))
    lines = (tmp_path / "table.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    names, _, values = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows)
    found = dict(zip(names, values, strict=False))
    assert found["pair"] == "fox_run"
    assert 0 < float(found["matching error raw"]) < 0.1
    assert float(found["final"]) < 0.0036
    assert 0 < float(found["over linear"]) < 1.5
    assert 0 < float(found["seconds"]) < 15
    assert any("Machine: " in line for line in lines)


def test_bench_replaces_the_sections_it_measured_and_keeps_the_others() -> None:
    arguments = Namespace(data=None, seconds=3.0)
    first = document("", {"quality": "## Quality\n\nold", "speed": "## Speed\n\nkept"}, arguments)
    again = document(
        first, {"quality": "## Quality after 3 s\n\nnew", "surfaces": "## Surfaces of their own\n\nmore"}, arguments
    )
    titles = [line for line in again.splitlines() if line.startswith("#")]
    assert titles == ["# Benchmarks", "## Quality after 3 s", "## Surfaces of their own", "## Speed"]
    assert "new" in again
    assert "kept" in again
    assert "old" not in again
    assert again.count("Machine: ") == 3


def test_bench_leaves_blank_what_frames_of_their_own_faces_have_not() -> None:
    ball, ring = icosphere(1), torus(12, 6)
    report = {"seconds": 1.0, "cpu_seconds": 2.0, "peak_memory_bytes": 3e6}
    found = evaluate([ball, ring], ball, ring, samples=200)
    row = quality_table([PairResult("ball_ring", report, found, None, None, 80)], 60.0).splitlines()[-1]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[0] == "ball_ring"
    assert cells[-3:] == ["1.0", "2.0", "3"]
    assert cells[2] == cells[9] == cells[12] == ""
    assert float(cells[4]) < 0.1


def test_bench_reads_a_manifest(tmp_path: Path) -> None:
    assert find_pairs(None, []) == [SHIPPED]
    entries = [
        {"id": "a", "source": "a/s.obj", "target": "a/t.obj", "corr": "a/c.npy", "inbetween": None},
        {"id": "b_c", "source": "b/s.obj", "target": "b/t.obj", "corr": None},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps({"pairs": entries}))
    first, second = find_pairs(tmp_path, [])
    assert (first.source, first.table, first.truth) == (tmp_path / "a" / "s.obj", tmp_path / "a" / "c.npy", None)
    assert find_pairs(tmp_path, ["b-c"]) == [second]
    with pytest.raises(CommandError, match=r"no pair d; there are a, b_c"):
        find_pairs(tmp_path, ["d"])
    with pytest.raises(CommandError, match=r"manifest.json: cannot be read"):
        find_pairs(tmp_path / "nowhere", [])
