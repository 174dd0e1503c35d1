"""``single-view``: make a dataset, train, go on, reconstruct, measure; what is refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.cli import main
from backend.geometry.io import read_mesh, write_ply
from backend.rendering.camera_file import read_camera
from backend.single_view.model import read_model, write_model
from backend.training.checkpoints import checkpoints_of
from tests.meshes import grid, icosphere, triangle_mesh

AXES = ((1.0, 1.0, 1.0), (1.0, 1.0, 0.5), (0.5, 0.6, 1.0), (0.8, 1.0, 0.6))


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with meshes, a dataset of them, and a model that has been trained for seconds."""
    folder = tmp_path_factory.mktemp("views")
    (folder / "balls").mkdir()
    ball = icosphere(2)
    for number, axes in enumerate(AXES):
        write_ply(folder / "balls" / f"ball_{number}.ply", triangle_mesh(ball.positions() * axes, ball.triangles()))
    make = ("dataset", folder / "balls", "--out", folder / "data", "--views", 4, "--side", 48, "--up", "z")
    assert run(*make) == 0
    out = folder / "m.safetensors"
    assert run("train", folder / "data", "--out", out, "--steps", 200, "--hold-out", 1) == 0
    model = read_model(out)
    model.network.settings = replace(model.settings, refine_steps=10, refine_cells=24, refine_image=48)
    write_model(out, model)
    return folder


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def run(*arguments: object) -> int:
    return main(["single-view", *(str(argument) for argument in arguments)])


def test_a_dataset_is_in_the_published_layout(balls: Path) -> None:
    data = balls / "data"
    assert sorted(path.name for path in data.iterdir()) == ["balls", "dataset.json"]
    assert json.loads((data / "dataset.json").read_text())["up"] == "z"
    sizes = [size(data / "balls" / "renders" / "ball_1" / f"{k:02d}.png") for k in range(4)]
    assert sizes == [(48, 48)] * 4
    upright = np.ptp(read_mesh(data / "balls" / "meshes" / "ball_1.obj").positions(), axis=0)
    np.testing.assert_allclose(upright / upright.max(), [1.0, 0.5, 1.0], rtol=0.02)  # z upwards became y
    with np.load(data / "balls" / "samples" / "ball_0.npz") as file:
        assert sorted(file.files) == ["neg", "pos"]


def test_a_model_knows_what_it_was_trained_on_and_goes_on(balls: Path) -> None:
    out = balls / "m.safetensors"
    model = read_model(out)
    names = {f"balls/samples/ball_{k}" for k in range(4)}
    assert set(model.names) | set(model.held_out) == names
    assert (len(model.held_out), model.up, model.facts["steps"]) == (1, "z", 200)
    assert model.codes.shape == (3, model.settings.latent)
    shutil.copytree(checkpoints_of(out), checkpoints_of(balls / "again.safetensors"))
    out = balls / "again.safetensors"
    kept = (checkpoints_of(out) / "step_000200.safetensors").read_bytes()
    assert run("train", balls / "data", "--out", out, "--resume", "--seconds", 0.001) == 0
    assert (checkpoints_of(out) / "step_000200.safetensors").read_bytes() == kept
    assert (
        run("train", balls / "data", "--out", balls / "split.safetensors", "--steps", 2, "--split", split(balls)) == 0
    )
    assert read_model(balls / "split.safetensors").held_out == ("balls/samples/ball_1", "balls/samples/ball_2")


def split(folder: Path) -> Path:
    """The published form: classes, then folders, then names."""
    (folder / "split.json").write_text('{"balls": {"samples": ["ball_0", "ball_3"]}}')
    return folder / "split.json"


def test_an_image_becomes_a_shape_with_a_picture_and_a_report(balls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, out = balls / "data" / "balls" / "renders" / "ball_2" / "01.png", balls / "shape"
    assert run("reconstruct", balls / "m.safetensors", image, "--out", out, "--resolution", 24) == 0
    names = ["camera.json", "comparison.png", "raw.ply", "report.json", "surface.ply"]
    assert sorted(path.name for path in out.iterdir()) == names
    report = json.loads((out / "report.json").read_text())
    assert report["camera"] == "found"
    assert 0.0 <= report["azimuth_degrees"] < 360.0
    assert -90.0 < report["elevation_degrees"] < 90.0
    assert report["iou"] > 0.7
    assert report["loss"] <= report["loss_before"]
    assert read_mesh(out / "surface.ply").n_faces == report["faces"] > 100
    assert size(out / "comparison.png") == (1024, 308)
    camera = (out / "camera.json").read_bytes()
    again = ("reconstruct", balls / "m.safetensors", image, "--out", out, "--resolution", 16, "--no-refine")
    assert run(*again, "--camera", out / "camera.json") == 2
    assert "camera.json: would be replaced by the result that is made from it" in capsys.readouterr().err
    assert (out / "camera.json").read_bytes() == camera
    (balls / "own.json").write_bytes(camera)
    assert run(*again, "--camera", balls / "own.json") == 0
    assert "raw.ply" not in [path.name for path in out.iterdir()]
    assert json.loads((out / "report.json").read_text())["camera"] == "given"
    assert read_camera(out / "camera.json").width == 48


def test_figures_of_shapes_held_out(balls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = balls / "figures.json"
    metrics = ("metrics", balls / "m.safetensors", balls / "data", "--resolution", 24, "--out", out)
    assert run(*metrics) == 0
    told = capsys.readouterr().out
    assert "held out: 1; medians" in told
    assert "both ways added, of shapes whose box has the diagonal 1" in told
    figures = json.loads(out.read_text())
    (row,) = figures["shapes"]
    assert row["name"] == read_model(balls / "m.safetensors").held_out[0]
    assert row["refined"]["chamfer"] < 60.0
    known = read_model(balls / "m.safetensors").names
    assert row["nearest_name"] in known
    assert row["retrieved_name"] in known
    assert figures["summary"]["refined"]["chamfer"]["median"] == row["refined"]["chamfer"]
    assert 0 <= figures["summary"]["nearest"]["beaten"] <= 1


def refused(arguments: tuple[object, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("tweenfield: error: ")
    assert words in told


def test_what_cannot_be_used_is_told_and_nothing_is_left(
    balls: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = balls / "m.safetensors", tmp_path / "out"
    side = np.zeros((40, 40, 4), np.uint8)
    Image.fromarray(side).save(tmp_path / "empty.png")
    Image.fromarray(side[..., :3]).save(tmp_path / "rgb.png")
    Image.fromarray(side + np.uint8(255)).save(tmp_path / "full.png")
    side[8:30, 8:30] = 255
    Image.fromarray(side).save(tmp_path / "good.png")
    Image.fromarray(side[8:20, 8:30]).save(tmp_path / "tiny.png")
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "none").mkdir()
    (tmp_path / "flat").mkdir()
    write_ply(tmp_path / "flat" / "sheet.ply", grid(3))
    (tmp_path / "other.safetensors").write_bytes((balls / "data" / "dataset.json").read_bytes())
    before = sorted(tmp_path.iterdir())
    for name, words in (
        ("empty.png", "transparent everywhere"),
        ("rgb.png", "has no alpha channel"),
        ("full.png", "opaque everywhere"),
        ("tiny.png", "22 x 12 pixels"),
        ("text.png", "is no image"),
        ("missing.png", "there is no such image"),
    ):
        refused(("reconstruct", model, tmp_path / name, "--out", out), words, capsys)
    good = tmp_path / "good.png"
    refused(("reconstruct", tmp_path / "other.safetensors", good, "--out", out), "not a model of `single-view", capsys)
    refused(("reconstruct", "ship", good, "--out", out), "ship: there is no such file; name the one that", capsys)
    refused(("metrics", "ship", balls / "data"), "or shipped, the model of chairs", capsys)
    refused(("reconstruct", model, good, "--out", out, "--camera", tmp_path / "text.png"), "no JSON", capsys)
    refused(("dataset", tmp_path / "none", "--out", out), "holds 0 meshes", capsys)
    refused(("dataset", tmp_path / "flat", "--out", out), "flat/sheet.ply: the shape has no inside", capsys)
    refused(("dataset", balls / "balls", "--out", balls / "data"), "holds files already", capsys)
    refused(("train", tmp_path / "none", "--out", out), "holds no dataset", capsys)
    refused(("train", balls / "data", "--out", out, "--hold-out", 4), "no shape is left to train on", capsys)
    refused(("train", balls / "data", "--out", model), "add --resume", capsys)
    refused(("train", tmp_path / "missing", "--out", out), "is not a folder", capsys)
    refused(("metrics", model, tmp_path / "none"), "holds no dataset", capsys)
    assert sorted(tmp_path.iterdir()) == before
