"""The command ``refine``: outlines in, frames, pictures and the refined morph out; and everything that can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from PIL import Image

from backend.checkpoint import morph_from_bytes, morph_to_bytes
from backend.commands.output import REPORT
from backend.evaluation.report import write_report
from backend.geometry.io import read_mesh
from backend.guidance.view import covered, iou
from backend.pipeline import versions
from backend.rendering.camera_file import read_camera, write_camera
from backend.service.parts_file import write_parts
from protocol.messages import Finished
from protocol.wire import encode
from tests.cli.conftest import interrupt_when, start
from tests.guidance.conftest import SIDE, View, camera, ellipse, growing

Command = Callable[..., CompletedProcess[str]]
FRAMES = 7


def save_mask(path: Path, view: View) -> None:
    Image.fromarray(np.round(255 * view.mask).astype(np.uint8)).save(path)


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A folder as ``morph`` leaves it, of seven frames, and two masks with their cameras beside it."""
    trained, request = growing()
    folder = tmp_path / "ball"
    folder.mkdir()
    (folder / "morph.safetensors").write_bytes(morph_to_bytes(trained, request))
    write_report(folder / REPORT, {"versions": versions(), "timeline": {"frames": FRAMES, "easing": "ease-in"}})
    for name, view in (("front", ellipse(1.2, 0.8)), ("side", ellipse(0.8, 1.0, axis=0))):
        save_mask(tmp_path / f"{name}.png", view)
        write_camera(tmp_path / f"{name}.json", view.camera)
    return folder


def refine(
    command: Command, *more: object, morph: str = "ball", frame: int = 4, out: str = "out"
) -> CompletedProcess[str]:
    return command("refine", morph, "--frame", frame, "--out", out, *more)


FRONT = ("--mask", "front.png", "--camera", "front.json")
SIDEWAYS = ("--mask", "side.png", "--camera", "side.json")


def test_a_frame_is_matched_and_all_are_baked(command: Command, result: Path, tmp_path: Path) -> None:
    done = refine(command, *FRONT, *SIDEWAYS)
    assert done.returncode == 0, done.stderr
    assert "frame 4 and front.png agree by" in done.stdout
    out = tmp_path / "out"
    report = json.loads((out / REPORT).read_text())
    entry = report["refined"][0]
    assert (entry["frame"], report["frames"], report["timeline"]["easing"]) == (4, FRAMES, "ease-in")
    assert entry["time"] == pytest.approx((4 / 6) ** 2)
    assert report["method"] == "linear"
    assert not report.keys() & {"format", "version", "values", "layers", "time_steps", "scale"}
    for name, told in zip(("front", "side"), entry["views"], strict=True):
        mesh, seen = read_mesh(out / "frame_0004.ply"), read_camera(tmp_path / f"{name}.json")
        with Image.open(tmp_path / f"{name}.png") as mask:
            wanted = np.asarray(mask) > 127
        found = covered(mesh.positions(), mesh.triangles().astype(np.int64), seen)
        assert iou(wanted, found) == pytest.approx(told["iou"], abs=1e-4)
        assert told["iou"] >= 0.97 > told["iou_before"]
    for picture in ("difference_1.png", "difference_2.png", "contact_sheet.png"):
        with Image.open(out / picture) as image:
            assert image.width > 300
    baked = command("bake", "out", "--frames", FRAMES, "--easing", "ease-in", "--out", "again")
    assert baked.returncode == 0, baked.stderr
    for number in range(FRAMES):
        name = f"frame_{number:04d}.ply"
        assert (out / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    ends = morph_from_bytes((result / "morph.safetensors").read_bytes())[0].frames([0.0, 1.0])
    for name, end in zip(("frame_0000.ply", f"frame_{FRAMES - 1:04d}.ply"), ends, strict=True):
        assert read_mesh(out / name).vertices.tobytes() == end.vertices.tobytes()


def test_a_refined_morph_of_a_journal_is_refined_again(command: Command, result: Path, tmp_path: Path) -> None:
    data = (result / "morph.safetensors").read_bytes()
    job = tmp_path / "job"
    job.mkdir()
    parts = encode(Finished("a", {}, np.frombuffer(data, np.uint8)))
    write_parts(job / "finished.bin", parts)
    first = refine(command, *FRONT, "--frames", 9, "--reach", "0.5", morph="job/finished.bin")
    assert first.returncode == 0, first.stderr
    second = refine(command, *SIDEWAYS, morph="out", frame=6, out="twice")
    assert second.returncode == 0, second.stderr
    told = json.loads((tmp_path / "twice" / REPORT).read_text())["refined"]
    assert [entry["frame"] for entry in told] == [4, 6]
    assert (told[0]["start"], told[0]["end"]) == (0.25, 0.75)
    assert told[1]["start"] == 0.5
    same = [(tmp_path / folder / "frame_0004.ply").read_bytes() for folder in ("out", "twice")]
    assert same[0] == same[1]


def test_what_is_wrong_is_said_and_nothing_is_touched(command: Command, result: Path, tmp_path: Path) -> None:
    front = ellipse(1.2, 0.8)
    away = np.diag([1.0, -1.0, -1.0, 1.0])
    write_camera(tmp_path / "away.json", replace(camera(), world_to_camera=away @ camera().world_to_camera))
    save_mask(tmp_path / "empty.png", View(0.0 * front.mask, camera()))
    save_mask(tmp_path / "full.png", View(0.0 * front.mask + 1.0, camera()))
    save_mask(tmp_path / "small.png", View(front.mask[:100], camera()))
    photo = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.png")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "damaged.safetensors").write_bytes((result / "morph.safetensors").read_bytes()[:5000])
    flipped = bytearray((result / "morph.safetensors").read_bytes())
    flipped[-1000] ^= 16
    (tmp_path / "flipped.safetensors").write_bytes(flipped)
    earlier = tmp_path / "out"
    earlier.mkdir()
    write_report(earlier / REPORT, {"versions": versions()})
    before = {path: path.read_bytes() for path in (*result.iterdir(), *earlier.iterdir())}

    def fault(*arguments: object, **changes: object) -> str:
        done = refine(command, *arguments, **changes)  # type: ignore[arg-type]
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr.splitlines()[-1]

    def masked(name: str) -> str:
        return fault("--mask", name, "--camera", "front.json")

    assert "the mask is empty" in masked("empty.png")
    assert "covers the whole image" in masked("full.png")
    assert "128 x 100 pixels and its camera 128 x 128" in masked("small.png")
    assert "photo.png is a coloured image without transparency" in masked("photo.png")
    assert "missing.png cannot be read" in masked("missing.png")
    assert "looks away from the shape" in fault("--mask", "front.png", "--camera", "away.json")
    assert "broken.json is no JSON file" in fault("--mask", "front.png", "--camera", "broken.json")
    assert "2 masks and 1 cameras" in fault(*FRONT, "--mask", "side.png")
    assert "frame stays what it is; choose one of 1 to 5" in fault(*FRONT, frame=0)
    assert "frame stays what it is" in fault(*FRONT, frame=6)
    assert "there are frames 0 to 6" in fault(*FRONT, frame=7)
    assert "bake more frames" in fault(*FRONT, "--frames", 2, frame=1)
    assert "above 0 and at most 1" in fault(*FRONT, "--reach", 0)
    assert "damaged.safetensors" in fault(*FRONT, "--frames", 7, morph="damaged.safetensors")
    flipped_bits = fault(*FRONT, "--frames", 7, morph="flipped.safetensors")
    assert "flipped.safetensors: not a Tweenfield morph of this version (the file is damaged" in flipped_bits
    assert "would be replaced by the result" in fault(*FRONT, out="ball")
    assert {path: path.read_bytes() for path in (*result.iterdir(), *earlier.iterdir())} == before


def test_ctrl_c_keeps_what_is_matched_so_far(result: Path, tmp_path: Path) -> None:
    process = start("refine", "ball", "--frame", 1, "--frames", 3, *FRONT, "--out", "out", cwd=tmp_path)
    status, said = interrupt_when(process, "loss")
    assert status == 130
    assert "stopped while matching; what was done is kept" in said
    assert "Traceback" not in said
    assert (tmp_path / "out" / "morph.safetensors").is_file()


def test_time_can_be_short(command: Command, result: Path, tmp_path: Path) -> None:
    done = refine(command, *FRONT, "--seconds", "0.001")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / REPORT).read_text())["refined"][0]["steps"] == 1
