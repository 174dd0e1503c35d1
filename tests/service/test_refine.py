"""Frames drawn towards outlines as jobs: what becomes of them, of their neighbours, and of jobs made from them."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load

from backend import pipeline
from backend.checkpoint import morph_from_bytes
from backend.cli import main
from backend.guidance.refine import RefineSettings, refine
from backend.guidance.view import View
from backend.rendering.camera import Camera, OrbitCamera
from backend.rendering.camera_file import write_camera
from backend.rendering.silhouette import silhouette
from backend.service.baking import frame_message
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.messages import (
    Error,
    Finished,
    Frame,
    JobState,
    MorphRequest,
    Outline,
    Preview,
    Progress,
    RefineRequest,
    Timeline,
)
from protocol.messages import Refine as RefineMessage
from tests.meshes import icosphere
from tests.one_thread import one_thread as one_thread
from tests.service.harness import (
    Backend,
    Follower,
    backend_and_client,
    cut_short,
    joined,
    renamed,
    scripted,
)
from tests.service.older_client import client_of, hears_nothing, is_refused

SIDE = 96  # pixels
FRAMES = 5
TIMELINE = Timeline(FRAMES)
FRAME = 2
WIDTH, HEIGHT = 36.0, 26.0  # pixels, half axes of the ellipse; the ball's outline is a circle of about 29


def camera(azimuth: float = 0.0, distance: float = 4.0) -> Camera:
    return OrbitCamera(azimuth, 0.0, distance, SIDE, SIDE).camera()


def ellipse(width: float = WIDTH, height: float = HEIGHT) -> np.ndarray:
    """A mask with half axes in pixels."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5 - SIDE / 2
    inside = (x / width) ** 2 + (y / height) ** 2 <= 1.0
    return np.where(inside, 255, 0).astype(np.uint8)


def outline(mask: np.ndarray | None = None, azimuth: float = 0.0, distance: float = 4.0) -> Outline:
    seen = camera(azimuth, distance)
    drawn = ellipse() if mask is None else mask
    return Outline(drawn, seen.world_to_camera[0], seen.focal[0], seen.centre[0])


def morph_request(follower: Follower, **changes: Any) -> MorphRequest:
    """A ball that grows a little, straight; another ball rides along."""
    spec = follower.method("linear")
    usual = MorphRequest(
        icosphere(2),
        icosphere(2, 1.1),
        "linear",
        spec.etag,
        timeline=TIMELINE,
        carry=(icosphere(1, 0.5),),
        device="cpu",
    )
    return replace(usual, **changes)


def drawn(**changes: Any) -> RefineRequest:
    return replace(RefineRequest(TIMELINE, FRAME, (outline(),), device="cpu"), **changes)


@pytest.fixture
def base(follower: Follower) -> str:
    return follower.run(morph_request(follower))


def iou(frame: Frame | MeshData, mask: np.ndarray, distance: float = 4.0) -> float:
    """Of a frame with triangles of its own or of the ball, as the camera sees it, and a mask."""
    places = torch.as_tensor(frame.origin + frame.scale * frame.vertices.astype(np.float64))
    corners = icosphere(2).face_indices if frame.face_indices is None else frame.face_indices
    triangles = torch.as_tensor(corners.reshape(-1, 3).astype(np.int64))
    seen = silhouette(places, triangles, camera(distance=distance))[0].numpy() >= 0.5
    wanted = mask >= 128
    return float((seen & wanted).sum() / (seen | wanted).sum())


def test_a_frame_takes_its_outline_and_the_ends_stay(follower: Follower, base: str) -> None:
    job = follower.ended(follower.client.refine(base, drawn()))
    before, after = follower.of(Frame, base), follower.of(Frame, job)
    assert iou(before[FRAME], ellipse()) < 0.85
    assert iou(after[FRAME], ellipse()) > 0.97
    assert all(frame.face_indices is None for frame in after)
    for seq in (0, FRAMES - 1):
        assert joined(replace(after[seq], job=base)) == joined(before[seq])
    moved = [np.abs(new.vertices - old.vertices).max() for new, old in zip(after, before, strict=True)]
    assert moved[FRAME] > max(moved[1], moved[3]) > 0.01
    assert [frame.time for frame in after] == [frame.time for frame in before]
    assert len(after[FRAME].carried) == 1
    report, old_report = (follower.of(Finished, name)[0].report for name in (job, base))
    assert {key: value for key, value in report.items() if key != "refined"} == old_report
    (entry,) = report["refined"]
    assert (entry["frame"], entry["time"]) == (FRAME, after[FRAME].time)
    assert entry["views"][0]["iou"] > 0.97 > entry["views"][0]["iou_before"]
    follower.state(job, "done")
    assert [m.state for m in follower.of(JobState, job)] == ["queued", "running", "done"]
    assert {m.total_frames for m in follower.of(JobState, job)} == {FRAMES}


def test_a_job_has_the_bytes_of_the_refinement_itself(follower: Follower, base: str) -> None:
    request = drawn(timeline=Timeline(7, "ease-in", reverse=True), frame=4, reach=0.5, seed=3)
    job = follower.ended(follower.client.refine(base, request))
    frames, content = follower.result(job)
    submit = morph_request(follower)
    morph = pipeline.train(submit, Run()).morph
    view = View(ellipse().astype(np.float32) / 255.0, camera())
    here = refine(morph, (2 / 6) ** 2, [view], RefineSettings(reach=0.5), Run(seed=3))
    baked = list(pipeline.bake(here.morph, request.timeline, submit.carry))
    expected = [joined(frame_message(job, seq, 7, frame, submit.source)) for seq, frame in enumerate(baked)]
    assert frames == expected
    assert follower.of(Frame, job)[4].time == (2 / 6) ** 2
    again = morph_from_bytes(content)[0]
    np.testing.assert_array_equal(again.frame(0.25).vertices, here.morph.frame(0.25).vertices)


def test_a_job_has_the_morph_of_the_command_line(
    warm_backend: Backend, follower: Follower, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(ellipse()).save(tmp_path / "mask.png")
    write_camera(tmp_path / "camera.json", camera())
    asked = ["--frame", str(FRAME), "--mask", "mask.png", "--camera", "camera.json", "--frames", str(FRAMES)]
    kept = str(warm_backend.journal / f"job-{base}" / "finished.bin")
    assert main(["refine", kept, *asked, "--out", "out", "--device", "cpu"]) == 0
    _, content = follower.result(follower.ended(follower.client.refine(base, drawn())))
    here, there = load(content), load((tmp_path / "out" / "morph.safetensors").read_bytes())
    assert here.keys() == there.keys()
    for name, array in here.items():
        np.testing.assert_array_equal(array, there[name])


def test_previews_grow_towards_the_outline(follower: Follower, base: str) -> None:
    job = follower.client.refine(base, drawn(preview=True))
    seen: set[int] = set()

    def answer() -> bool:
        for preview in follower.of(Preview, job):
            if preview.revision not in seen:
                seen.add(preview.revision)
                follower.client.preview_seen(job, preview.revision)
        return bool(follower.of(Finished, job))

    follower.until(answer)
    previews = follower.of(Preview, job)
    source = icosphere(2)
    for preview in previews:
        assert preview.times.tolist() == [0.5]
        assert (preview.vertices.shape, preview.meshes) == ((1, source.n_vertices, 3), ())
    last = Frame(job, 0, 1, 0.5, previews[-1].vertices[0], source.origin, source.scale)
    assert iou(last, ellipse()) > 0.9


def test_a_surface_of_its_own_takes_its_outline(follower: Follower) -> None:
    """A ball that grows from 0.2 to 0.5, whatever the meshes are: its frames have faces of their own."""
    timeline, near = Timeline(3, resolution=32), 1.6
    spec = follower.method("growing")
    base = follower.run(MorphRequest(icosphere(1, 0.5), icosphere(1, 0.5), spec.name, spec.etag, timeline=timeline))
    before = follower.of(Frame, base)
    assert iou(before[1], ellipse(30.0, 20.0), near) < 0.85
    seen = outline(ellipse(30.0, 20.0), distance=near)
    job = follower.client.refine(base, drawn(timeline=timeline, frame=1, outlines=(seen,), preview=True))

    def near_enough() -> bool:
        for preview in follower.of(Preview, job):
            follower.client.preview_seen(job, preview.revision)
            assert (preview.times.tolist(), preview.vertices.shape, len(preview.meshes)) == ([0.5], (1, 0, 3), 1)
        previews = follower.of(Preview, job)
        return bool(previews) and iou(previews[-1].meshes[0], ellipse(30.0, 20.0), near) > 0.9

    follower.until(near_enough)
    follower.client.finish(job)
    after = follower.of(Frame, follower.ended(job))
    assert iou(after[1], ellipse(30.0, 20.0), near) > 0.9
    assert after[1].face_indices is not None
    for seq in (0, 2):
        assert joined(replace(after[seq], job=base)) == joined(before[seq])


def test_refinements_add_up_and_are_baked(follower: Follower, base: str) -> None:
    """A frame of a refined morph is refined, of a bake of that another, and all of them are baked.

    The pace stays that of the morph that was trained, so the frames that were drawn are still among the frames.
    """
    paced = Timeline(FRAMES, "ease-in-out", constant_speed=True)
    first = follower.ended(follower.client.refine(base, drawn(timeline=paced, frame=1)))
    bake = follower.ended(follower.client.bake(first, Timeline(3)))
    wide, tall = ellipse(), ellipse(HEIGHT, WIDTH)
    request = drawn(timeline=paced, frame=3, outlines=(outline(tall),))
    second = follower.ended(follower.client.refine(bake, request))
    frames = follower.of(Frame, second)
    assert iou(frames[1], wide) > 0.97
    assert iou(frames[3], tall) > 0.97
    report = follower.of(Finished, second)[0].report
    assert [entry["time"] for entry in report["refined"]] == [frames[1].time, frames[3].time]
    again = follower.ended(follower.client.bake(second, paced))
    assert [joined(replace(frame, job=second)) for frame in follower.of(Frame, again)] == [joined(f) for f in frames]
    assert follower.of(Finished, again)[0].report == report
    assert len(follower.of(Frame, bake)) == 3


def test_a_job_without_a_morph_is_no_base(follower: Follower, base: str) -> None:
    waiting = follower.client.submit(scripted(follower, steps=1000, step_seconds=0.05))
    follower.state(waiting, "running")
    for name, words in (("never-heard-of", "does not have job"), (waiting, "is running; only a job that is done")):
        job = follower.client.refine(name, drawn())
        error: Error = follower.first(Error, job)
        assert (error.code, words in error.message) == ("unknown-job", True), error
        assert not follower.of(JobState, job)
    follower.client.cancel(waiting)


def test_a_morph_of_another_kind_fails_in_words(follower: Follower) -> None:
    base = follower.run(scripted(follower, steps=0))
    job = follower.client.refine(base, drawn())
    error: Error = follower.first(Error, job)
    assert (error.code, "choose another method" in error.message) == ("bad-setting", True), error
    assert follower.state(job, "failed")


BAD: dict[str, tuple[Outline, str]] = {
    "nothing": (outline(np.zeros((SIDE, SIDE), np.uint8)), "the mask is empty"),
    "everything": (outline(np.full((SIDE, SIDE), 255, np.uint8)), "the mask covers the whole image"),
    "nobody": (
        Outline(ellipse(), np.diag([1.0, 1.0, -1.0, 1.0]) @ camera().world_to_camera[0], camera().focal[0], np.ones(2)),
        "the camera looks away from the shape",
    ),
}


@pytest.mark.parametrize("seen", BAD)
def test_an_outline_that_cannot_be_matched_fails_in_words(follower: Follower, base: str, seen: str) -> None:
    bad, words = BAD[seen]
    job = follower.client.refine(base, drawn(outlines=(outline(), bad)))
    error: Error = follower.first(Error, job)
    assert (error.code, f"outline 2 of 2: {words}" in error.message) == ("bad-setting", True), error
    assert follower.state(job, "failed")
    assert follower.ended(follower.client.bake(base, TIMELINE))


def slow() -> RefineRequest:
    """So many outlines that they take their time."""
    return drawn(outlines=tuple(outline(azimuth=11.0 * k) for k in range(32)))


def matching(follower: Follower, job: str) -> None:
    follower.until(lambda: [m for m in follower.of(Progress, job) if m.loss is not None])


def test_a_refinement_is_cancelled_at_once(follower: Follower, base: str) -> None:
    job = follower.client.refine(base, slow())
    matching(follower, job)
    asked = time.monotonic()
    follower.client.cancel(job)
    follower.state(job, "cancelled")
    assert time.monotonic() - asked < 2.0
    follower.ended(follower.client.bake(base, Timeline(2)))
    assert not follower.of(Frame, job)


def test_the_best_so_far_is_the_result(follower: Follower, base: str) -> None:
    job = follower.client.refine(base, slow())
    matching(follower, job)
    follower.client.finish(job)
    assert len(follower.result(job)[0]) == FRAMES
    (entry,) = follower.of(Finished, job)[0].report["refined"]
    assert entry["interrupted"] == "training"
    assert entry["views"][0]["iou"] >= entry["views"][0]["iou_before"]


def test_what_is_finished_in_the_queue_stays_as_it_was(follower: Follower, base: str) -> None:
    running = follower.client.submit(scripted(follower, steps=1000, step_seconds=0.05))
    follower.state(running, "running")
    job = follower.client.refine(base, drawn())
    follower.client.finish(job)
    follower.until(lambda: len(follower.of(JobState, job)) == 2)
    assert {m.state for m in follower.of(JobState, job)} == {"queued"}
    follower.client.cancel(running)
    frames, _ = follower.result(job)
    assert renamed(frames, job, base) == follower.result(base)[0]
    (entry,) = follower.of(Finished, job)[0].report["refined"]
    assert (entry["steps"], entry["interrupted"]) == (1, "training")
    assert entry["views"][0]["iou"] == entry["views"][0]["iou_before"]
    assert entry["warnings"]


def test_a_refinement_outlives_its_server_and_its_base(tmp_path: Path) -> None:
    """Done, half baked and being matched when the server is killed: each ends with what it would have had."""
    with backend_and_client(tmp_path) as (server, follower):
        base, other = (follower.run(morph_request(follower)) for _ in range(2))
        half = follower.ended(follower.client.refine(base, drawn()))
        done = follower.ended(follower.client.refine(other, drawn()))
        frames, content = follower.result(done)
        assert follower.result(half)[1] == content
        running = follower.client.refine(base, slow())
        matching(follower, running)
        server.kill()
    cut_short(tmp_path / "journal", half, *(f"frame-{seq:06d}.bin" for seq in range(1, FRAMES)))
    shutil.rmtree(tmp_path / "journal" / f"job-{other}")
    with Backend(tmp_path) as server, Follower(server.endpoint) as follower:
        follower.welcome()
        gone: Error = follower.first(Error, follower.client.refine(other, drawn()))
        assert (gone.code, "does not have job" in gone.message) == ("unknown-job", True)
        for job in (done, half, running):
            follower.client.resume(job)
        assert follower.result(done) == (frames, content)
        again, same_content = follower.result(half)
        assert same_content == content
        assert renamed(again, half, done) == frames
        baked = follower.client.bake(done, TIMELINE)
        matching(follower, running)
        follower.client.finish(running)
        assert len(follower.result(running)[0]) == FRAMES
        assert renamed(follower.result(baked)[0], baked, done) == frames
        assert all(len(frame.carried) == 1 for frame in follower.of(Frame, baked))


@pytest.mark.parametrize("minor", [1, 3])
def test_an_older_client_hears_nothing_of_refinements(
    warm_backend: Backend, follower: Follower, base: str, minor: int
) -> None:
    job = follower.ended(follower.client.refine(base, drawn()))
    with client_of(warm_backend, minor) as socket:
        hears_nothing(socket, job)
        is_refused(warm_backend, socket, RefineMessage("too-new", base, drawn()))
