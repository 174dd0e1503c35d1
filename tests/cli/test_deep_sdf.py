"""``deep-sdf train`` and ``demo mesh-sdf``: folders of meshes and of published samples, going on, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.cli import main
from backend.commands import demo
from backend.commands.output import made_folder
from backend.commands.parser import Parser
from backend.geometry.io import read_mesh, write_ply
from backend.geometry.shape import Shape
from backend.surfaces.mesh_sdf.model import DecoderModel, read_decoder, write_decoder
from backend.surfaces.mesh_sdf.samples import write_samples
from backend.surfaces.mesh_sdf.settings import preset
from backend.surfaces.mesh_sdf.training import train_decoder
from backend.surfaces.mesh_sdf.training_data import of_shapes
from backend.training.run import Run
from tests.meshes import icosphere, torus


@pytest.fixture(scope="module")
def meshes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ball and a ring, and a folder with a decoder that knows both a little."""
    folder = tmp_path_factory.mktemp("decoder")
    (folder / "shapes").mkdir()
    given = {"ball.ply": icosphere(3), "ring.ply": torus(32, 16, major=0.75, minor=0.3)}
    for name, mesh in given.items():
        write_ply(folder / "shapes" / name, mesh)
    shapes = [(n, Shape(m.positions(), triangles=m.triangles().astype(np.int64))) for n, m in given.items()]
    data = of_shapes(shapes, seed=0)
    small = {"width": 32, "depth": 2, "skip": None, "degree": 2, "steps": 250, "points": 256, "between": 0}
    model = DecoderModel.begun(preset("fast", 2, small), data.names, data.frames)
    train_decoder(model.decoder, data.samples, Run(seed=0))
    write_decoder(folder / "small.safetensors", model)
    return folder


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_a_decoder_is_trained_and_gone_on_with(meshes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train = ("deep-sdf", "train", meshes / "shapes", "--out", meshes / "out", "--steps", 4)
    assert run(*train, "--seed", 7) == 0
    assert "2 shapes, 4 steps, mean clamped error" in capsys.readouterr().out
    model = read_decoder(meshes / "out" / "decoder.safetensors")
    assert (model.names, model.seed, model.facts["steps"]) == (("ball.ply", "ring.ply"), 7, 4)
    assert run(*train) == 2
    assert "add --resume to go on with it, or --force" in capsys.readouterr().err
    assert run("deep-sdf", "train", meshes / "shapes", "--out", meshes / "out", "--resume") == 0
    assert run("deep-sdf", "train", meshes / "shapes", "--out", meshes / "new", "--resume") == 2
    assert "no training was begun there" in capsys.readouterr().err
    assert not (meshes / "new").exists()


def test_folders_that_no_decoder_can_be_put_into_are_refused_before_anything_is_read(
    meshes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "film_strip.png").touch()
    (tmp_path / "model").mkdir()
    shutil.copy(meshes / "small.safetensors", tmp_path / "model" / "decoder.safetensors")
    (tmp_path / "file").touch()
    for out, words in (
        ("other", "other: the folder holds other files, film_strip.png; choose a new folder, or add --force"),
        ("model", "there is a model already, without checkpoints; add --force"),
        ("file", "is a file; name a folder"),
        ("file/below", "file/below: cannot be written (Not a directory)"),
    ):
        before = sorted(tmp_path.rglob("*"))
        assert run("deep-sdf", "train", meshes / "shapes", "--out", tmp_path / out, "--steps", 2) == 2
        told = capsys.readouterr().err
        assert words in told
        assert "sampling" not in told
        assert sorted(tmp_path.rglob("*")) == before


def test_published_samples_are_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    places = rng.uniform(-1.0, 1.0, (500, 3))
    for name, radius in (("one", 0.5), ("two", 0.7)):
        known = np.column_stack([places, np.linalg.norm(places, axis=1) - radius]).astype(np.float32)
        path = tmp_path / "SdfSamples" / "made" / "balls" / f"{name}.npz"
        write_samples(path, known[known[:, 3] > 0.0], known[known[:, 3] <= 0.0])
    out = tmp_path / "out"
    assert run("deep-sdf", "train", tmp_path, "--out", out, "--steps", 3) == 0
    names = ("SdfSamples/made/balls/one", "SdfSamples/made/balls/two")
    assert read_decoder(out / "decoder.safetensors").names == names
    np.savez(path, pos=known)
    assert run("deep-sdf", "train", tmp_path, "--out", tmp_path / "again") == 2
    assert "it must have arrays pos and neg" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()


def interrupted(out: Path, file: str = "") -> None:
    with made_folder(out):
        assert out.is_dir()
        if file:
            (out / file).touch()
        raise KeyboardInterrupt


def test_an_interrupted_training_leaves_no_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    for name in ("new/out", "there"):
        with pytest.raises(KeyboardInterrupt):
            interrupted(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "out", "kept")
    assert (tmp_path / "out" / "kept").exists()


def test_the_demonstration_leaves_steps_a_strip_and_a_report(meshes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shapes, out = meshes / "shapes", meshes / "shown"
    model = ("--model", meshes / "small.safetensors")
    assert run("demo", "mesh-sdf", shapes / "ball.ply", shapes / "ring.ply", "--out", out, *model) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["iterations"] == list(range(0, 101, 10))
    for name in ("loss", "euler", "components"):
        assert len(report[name]) == 11
    assert (report["euler"][0], report["target_euler"]) == (2, 0)  # of a ball and of a ring
    assert f"then {report['euler'][-1]} (the target's: 0)" in capsys.readouterr().out
    assert report["components"][0] == 1
    assert min(report["loss"]) < report["loss"][0]
    assert report["cpu_seconds"] > 0.0
    assert report["camera"] == {
        "kind": "orbit", "azimuth": 45.0, "elevation": 30.0, "distance": 2.5, "width": 256, "height": 256,
        "lens": 35.0, "sensor": 32.0,
    }  # fmt: skip
    assert report["evaluations"] < 50 * 65**3  # around the last surface
    with Image.open(out / "film_strip.png") as strip:
        assert strip.width * strip.height > 11.5 * 320 * 320  # eleven steps and the target
    assert np.linalg.norm(read_mesh(out / "step_0000.ply").positions(), axis=1).mean() == pytest.approx(0.97, abs=0.05)


@pytest.mark.parametrize(
    ("source", "target", "more", "said"),
    [
        ("none.ply", "ring.ply", (), "none.ply"),
        ("ball.ply", "points.xyz", (), "has no faces; name a mesh"),
        ("ball.ply", "ring.ply", ("--model", "none.st"), "none.st: cannot be read (No such file or directory); name"),
        ("ball.ply", "ring.ply", ("--model", "ball.ply"), "not a decoder of `deep-sdf train`"),
        ("other.ply", "ring.ply", ("--model", "../small.safetensors"), "there is no shape other.ply"),
    ],
)
def test_what_a_demonstration_refuses(
    meshes: Path,
    source: str,
    target: str,
    more: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(meshes / "shapes")
    write_ply(Path("other.ply"), icosphere(1))
    Path("points.xyz").write_text("0 0 0\n1 0 0\n0 1 0\n0 0 1\n")
    try:
        assert run("demo", "mesh-sdf", source, target, "--out", "refused", *more) == 2
    finally:
        Path("other.ply").unlink()
        Path("points.xyz").unlink()
    assert said in capsys.readouterr().err
    assert not Path("refused").exists()


def test_the_plain_demo_takes_what_it_took() -> None:
    parser = Parser("tweenfield demo", "")
    demo.add_arguments(parser)
    arguments = parser.read(["--out", "here", "--frames", "5"])
    assert (arguments.other, arguments.out, arguments.frames, arguments.preset) == (None, Path("here"), 5, "standard")
