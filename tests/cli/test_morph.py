"""``morph``, ``bake`` and ``evaluate`` as processes of their own, on small meshes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from backend.commands.morph import summary
from backend.geometry.io import read_mesh
from tests.cli.conftest import environment, interrupt_when, start

Command = Callable[..., subprocess.CompletedProcess[str]]
DRAFT = ("--preset", "draft", "--set", "steps=12", "--set", "batch=128")


def done(result: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert result.returncode == 0, result.stderr
    return result


def contents(folder: Path) -> dict[str, bytes]:
    """Name and bytes of what must be the same in every run."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.suffix in (".ply", ".safetensors")}


def test_morph_leaves_frames_report_picture_and_morph(
    command: Command, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    said = done(command("morph", *pair, "--out", "out", "--method", "linear", "--frames", 5))
    out = tmp_path / "out"
    frames = [f"frame_{k:04d}.ply" for k in range(5)]
    assert {p.name for p in out.iterdir()} == {*frames, "report.json", "contact_sheet.png", "morph.safetensors"}
    assert "5 frames by linear" in said.stdout
    assert "baking" in said.stderr

    source, target = (read_mesh(path) for path in pair)
    first, middle, last = (read_mesh(out / frames[k]) for k in (0, 2, 4))
    assert np.array_equal(first.vertices, source.vertices)
    assert np.array_equal(first.face_indices, source.face_indices)
    np.testing.assert_allclose(last.positions(), target.positions(), atol=1e-6)
    np.testing.assert_allclose(middle.positions(), (source.positions() + target.positions()) / 2, atol=1e-6)

    report = json.loads((out / "report.json").read_text())
    assert report["method"] == "linear"
    assert report["seed"] == 0
    assert report["correspondence"] == "vertex-order"
    assert report["frames"] == 5
    assert report["files"]["source"] == str(pair[0])
    assert {"tweenfield", "torch", "numpy", "python"} <= set(report["versions"])
    assert all(phase["seconds"] >= 0 and phase["cpu_seconds"] >= 0 for phase in report["phases"].values())
    assert {"preparing", "baking", "measuring"} <= set(report["phases"])
    assert report["peak_memory_bytes"] > 50e6
    assert report["metrics"]["fixed"]["corr_error_t1"]["mean"] < 1e-6
    assert report["warnings"] == []


def test_training_with_its_options(command: Command, pair: tuple[Path, Path], tmp_path: Path) -> None:
    """Two runs of one job are the same byte for byte, another seed is not; config and underscores reach it."""
    (tmp_path / "job.toml").write_text('preset = "draft"\nframes = 4\n[settings]\nsteps = 12\nbatch = 128\n')
    done(command("morph", *pair, "--out", "a", *DRAFT, "--frames", 4))
    done(command("morph", *pair, "--out", "b", "--config", "job.toml", "--method", "velocity-field", "--seed", 0))
    done(command("morph", *pair, "--out", "c", "--config", "job.toml", "--seed", 1, "--correspondence", "vertex_order"))
    a, b, c = (contents(tmp_path / name) for name in "abc")
    assert len(a) == 5
    assert a == b
    assert a["morph.safetensors"] != c["morph.safetensors"]
    report = json.loads((tmp_path / "a" / "report.json").read_text())
    assert report["settings"]["steps"] == 12
    assert 0 < report["raw_flow_corr_error_t1"] < 1
    assert report["metrics"]["fixed"]["corr_error_t1"]["mean"] < report["raw_flow_corr_error_t1"]


def test_bake_makes_the_same_frames_and_more(command: Command, pair: tuple[Path, Path], tmp_path: Path) -> None:
    done(command("morph", *pair, "--out", "first", *DRAFT, "--frames", 4, "--carry", pair[1]))
    shutil.copy(pair[1], tmp_path / "again.obj")
    done(command("bake", "first/morph.safetensors", "--out", "same", "--frames", 4, "--carry", pair[1]))
    first, same = contents(tmp_path / "first"), contents(tmp_path / "same")
    del first["morph.safetensors"]
    assert set(first) == {f"{kind}_{k:04d}.ply" for kind in ("frame", "carry_bent") for k in range(4)}
    assert first == same

    more = done(
        command("bake", "first/morph.safetensors", "--out", "more", "--frames", 60, "--reverse", "--easing", "ease_in")
    )
    assert "warning: 60 frames are more than twice the 12 time steps" in more.stderr
    frames = sorted((tmp_path / "more").glob("frame_*.ply"))
    assert len(frames) == 60
    assert frames[-1].read_bytes() == first["frame_0000.ply"]
    assert frames[0].read_bytes() == first["frame_0003.ply"]


def test_carried_objects_have_names_of_their_own(command: Command, pair: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    shutil.copy(pair[0], tmp_path / "other" / "left eye.obj")
    shutil.copy(pair[0], tmp_path / "left eye.obj")
    carry = ("--carry", "left eye.obj", "other/left eye.obj")
    done(command("morph", *pair, "--out", "out", "--method", "linear", "--frames", 2, *carry))
    names = {p.name for p in (tmp_path / "out").glob("carry_*")}
    assert names == {f"carry_{name}_{k:04d}.ply" for name in ("left_eye", "left_eye-2") for k in range(2)}
    carried = read_mesh(tmp_path / "out" / "carry_left_eye_0001.ply").positions()
    np.testing.assert_allclose(carried, read_mesh(pair[1]).positions(), atol=1e-5)


def test_evaluate_agrees_with_the_report(command: Command, pair: tuple[Path, Path], tmp_path: Path) -> None:
    done(command("morph", *pair, "--out", "out", "--method", "arap", "--frames", 5))
    n = read_mesh(pair[0]).n_vertices
    np.save(tmp_path / "table.npy", np.repeat(np.arange(n)[:, None], 2, axis=1))
    truth = np.linspace(0, 1, 3)[:, None, None]
    source, target = (read_mesh(path).positions() for path in pair)
    np.save(tmp_path / "truth.npy", (1 - truth) * source + truth * target)
    arguments = ("--source", pair[0], "--target", pair[1], "--table", "table.npy", "--in_between", "truth.npy")
    found = json.loads(done(command("evaluate", "out", *arguments)).stdout)
    metrics = json.loads((tmp_path / "out" / "report.json").read_text())["metrics"]
    assert found["endpoints"]["t0"] == metrics["endpoints"]["t0"]
    assert found["fixed"]["corr_error_t1"]["mean"] == pytest.approx(metrics["fixed"]["corr_error_t1"]["mean"], abs=1e-7)
    assert 0 < found["inbetween"]["vertex_mean"] < 0.2


def test_a_table_and_its_faults(command: Command, pair: tuple[Path, Path], tmp_path: Path) -> None:
    n = read_mesh(pair[0]).n_vertices
    order = np.random.default_rng(0).permutation(n)
    lines = pair[1].read_text().splitlines()
    vertices = [line for line in lines if line.startswith("v ")]
    new = np.empty(n, int)
    new[order] = np.arange(n)  # old vertex -> its place in the shuffled file
    faces = [
        [int(new[int(word.split("/")[0]) - 1]) + 1 for word in line.split()[1:]] for line in lines if line[:2] == "f "
    ]
    shuffled = [vertices[k] for k in order] + ["f " + " ".join(map(str, face)) for face in faces]
    (tmp_path / "shuffled.obj").write_text("\n".join(shuffled) + "\n")
    np.save(tmp_path / "map.npy", new)
    np.save(tmp_path / "wide.npy", np.zeros((4, 3), int))

    job = ("morph", pair[0], "shuffled.obj", "--out", "out", "--method", "linear", "--frames", 2)
    done(command(*job, "--correspondence", "map.npy"))
    last = read_mesh(tmp_path / "out" / "frame_0001.ply").positions()
    # A table may be noisy, so the end is near the vertices it names, not on them.
    assert np.linalg.norm(last - read_mesh(pair[1]).positions(), axis=1).max() < 0.08
    assert json.loads((tmp_path / "out" / "report.json").read_text())["files"]["table"] == "map.npy"

    job = ("morph", pair[0], "shuffled.obj", "--out", "none", "--method", "linear")
    refused = command(*job, "--correspondence", "wide.npy")
    assert refused.returncode == 2
    assert "wide.npy: has the shape 4x3" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "none").exists()


def test_ctrl_c_in_training_keeps_the_best_so_far(pair: tuple[Path, Path], tmp_path: Path) -> None:
    long = ("--set", "steps=100000", "--set", "batch=256", "--preset", "draft", "--frames", "3")
    status, said = interrupt_when(start("morph", *pair, "--out", "out", *long, cwd=tmp_path), "/100000")
    assert status == 130
    assert "Traceback" not in said
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["interrupted"] == "training"
    assert report["training_steps"] < 100000
    assert len(list((tmp_path / "out").glob("frame_*.ply"))) == 3
    assert load_file(tmp_path / "out" / "morph.safetensors")


@pytest.mark.parametrize("phase", ["starting", "preparing", "matching", "path"])
def test_ctrl_c_before_training_leaves_nothing(pair: tuple[Path, Path], tmp_path: Path, phase: str) -> None:
    before = set(tmp_path.iterdir())
    status, said = interrupt_when(start("morph", *pair, "--out", "new/out", cwd=tmp_path), phase)
    assert (status, said.splitlines()[-1]) == (130, "tweenfield: stopped"), said
    assert "Traceback" not in said
    assert set(tmp_path.iterdir()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no ignored signals")
def test_ctrl_c_counts_from_the_first_word_where_a_shell_ignores_it(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """As for what a script starts with ``&``."""
    ignoring = partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    process = start("morph", *pair, "--out", "new/out", cwd=tmp_path, before=ignoring)
    status, said = interrupt_when(process, "starting")
    assert (status, said.splitlines()[-1]) == (130, "tweenfield: stopped"), said


def test_gltf_has_every_frame_and_the_uvs(command: Command, pair: tuple[Path, Path], tmp_path: Path) -> None:
    done(command("morph", *pair, "--out", "out", "--method", "linear", "--frames", 5, "--gltf"))
    data = (tmp_path / "out" / "morph.glb").read_bytes()
    length = int.from_bytes(data[12:16], "little")
    document = json.loads(data[20 : 20 + length])
    (primitive,) = document["meshes"][0]["primitives"]
    assert len(primitive["targets"]) == 4
    assert "TEXCOORD_0" in primitive["attributes"]
    assert len(document["animations"]) == 1
    done(command("bake", "out/morph.safetensors", "--out", "again", "--frames", 5, "--gltf"))
    assert (tmp_path / "again" / "morph.glb").read_bytes() == data


def test_the_summary_is_in_sizes_of_the_target() -> None:
    report = {
        "warnings": [],
        "interrupted": None,
        "phases": {},
        "frames": 5,
        "method": "linear",
        "metrics": {"diag": 10.0, "target_diag": 2.0, "endpoints": {"t1": {"chamfer": 0.05, "floor_chamfer": 0.04}}},
    }
    assert "5.00% of the target's size" in summary(Path("out"), report)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
@pytest.mark.parametrize("earlier", [None, "{}"])
def test_an_evaluation_on_a_full_disk(
    command: Command, pair: tuple[Path, Path], tmp_path: Path, earlier: str | None
) -> None:
    import resource

    done(command("morph", *pair, "--out", "out", "--method", "linear", "--frames", 2))
    if earlier is not None:
        (tmp_path / "scores.json").write_text(earlier)
    before = set(tmp_path.iterdir())
    words = ["evaluate", "out", "--source", pair[0], "--target", pair[1], "--samples", "100", "--out", "scores.json"]
    result = subprocess.run(
        [sys.executable, "-m", "backend", *words],
        cwd=tmp_path,
        env={**environment(), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
    )
    assert result.returncode == 2, result.stderr
    assert "scores.json: cannot be written" in result.stderr.splitlines()[-1]
    assert set(tmp_path.iterdir()) == before
    if earlier is not None:
        assert (tmp_path / "scores.json").read_text() == earlier


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_a_disk_that_is_full(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """The first frame does not fit any more."""
    import resource

    before = set(tmp_path.iterdir())
    result = subprocess.run(
        [sys.executable, "-m", "backend", "morph", *pair, "--out", "out", "--method", "linear"],
        cwd=tmp_path,
        env={**environment(), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)),
    )
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    assert "out: cannot be written" in result.stderr.splitlines()[-1]
    assert set(tmp_path.iterdir()) == before


def test_a_training_that_was_too_short_leaves_a_morph_and_says_so(
    command: Command, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    """A decoder after one step has no surface between the shapes."""
    brief = ("--method", "mesh-sdf", "--set", "steps=1", "--frames", 3, "--resolution", 24)
    said = done(command("morph", *pair, "--out", "out", *brief))
    assert "1 of 3 frames are empty, the first is 1: the training was too short" in said.stdout
    assert (tmp_path / "out" / "morph.safetensors").exists()
    assert (tmp_path / "out" / "contact_sheet.png").exists()
