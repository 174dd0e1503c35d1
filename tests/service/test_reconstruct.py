"""Shapes from images as jobs: the one frame, its previews, its ends, and its life in the journal."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.service.baking import shape_frame
from backend.single_view.model import SingleViewModel, model_of, shipped_model
from backend.single_view.reconstruct import reconstruct
from backend.single_view.settings import SingleViewSettings
from backend.training.adam import Adam
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.messages import (
    Error,
    Finished,
    Frame,
    JobState,
    Preview,
    Progress,
    Reconstruct,
    ReconstructRequest,
    Timeline,
)
from tests.one_thread import one_thread as one_thread
from tests.service.harness import Backend, Follower, backend_and_client, cut_short, joined, renamed, scripted
from tests.service.older_client import client_of, hears_nothing, is_refused

SETTINGS = SingleViewSettings(
    **{"image": 32, "width": 4, "latent": 2, "decoder_width": 32, "decoder_depth": 2, "degree": 1, "view_weight": 0.0},
    **{"refine_steps": 20, "refine_cells": 16, "refine_image": 32},
)


@cache
def model() -> bytes:
    """A model that knows balls alone: the radius is 0.35 and a tenth of the code's first number, whatever it sees."""
    box = np.full(3, -0.6), np.full(3, 0.6)
    begun = SingleViewModel.begun(SETTINGS, ("a", "b"), (), box)
    network = begun.network
    for parameter in network.encoder.code.parameters():
        parameter.data.zero_()
    decoder = network.decoder
    optimiser, dice = Adam(list(decoder.parameters())), torch.Generator().manual_seed(0)
    for _ in range(300):
        points = 1.2 * torch.rand(512, 3, generator=dice) - 0.6
        codes = 4.0 * torch.rand(512, 2, generator=dice) - 2.0
        wanted = points.norm(dim=1) - 0.35 - 0.1 * codes[:, 0]
        loss = (decoder(points, codes) - wanted).abs().mean()
        optimiser.step(list(torch.autograd.grad(loss, list(decoder.parameters()))), 5e-3)
    return replace(begun, codes=np.array([[-1.0, 0.0], [1.0, 0.5]])).to_bytes()


def picture(width: float = 14.0, height: float = 20.0) -> np.ndarray:
    """A grey ellipse in front of nothing."""
    y, x = np.mgrid[:48, :64] + 0.5
    image = np.zeros((48, 64, 4), np.uint8)
    image[((x - 30) / width) ** 2 + ((y - 24) / height) ** 2 <= 1.0] = 128, 128, 128, 255
    return image


def request_of(**changes: Any) -> ReconstructRequest:
    usual = ReconstructRequest(picture(), np.frombuffer(model(), np.uint8), resolution=24, device="cpu")
    return replace(usual, **changes)


def test_a_job_has_the_bytes_of_the_reconstruction_itself(follower: Follower) -> None:
    job = follower.finished(request_of(seed=3))
    frames, morph = follower.result(job)
    follower.state(job, "done")
    assert [m.state for m in follower.of(JobState, job)] == ["queued", "running", "done"]
    assert {m.total_frames for m in follower.of(JobState, job)} == {1}
    made = reconstruct(model_of(model(), "it"), picture(), Run(seed=3), resolution=24)
    mesh = MeshData.from_triangles(made.positions, made.triangles)
    assert frames == [joined(shape_frame(job, 0, 1, mesh))]
    assert morph == b""
    report = follower.of(Finished, job)[0].report
    assert report["iou"] == made.report["iou"] > 0.7
    assert report["steps"] == 20
    assert "interrupted" not in report


def test_without_refinement_it_is_what_the_encoder_says(follower: Follower) -> None:
    frame: Frame = follower.first(Frame, follower.finished(request_of(refine=False)))
    radii = np.linalg.norm(frame.origin + frame.scale * frame.vertices.astype(np.float64), axis=1)
    assert abs(radii.mean() - 0.35) < 0.05
    assert frame.face_indices is not None


def test_without_a_model_the_backend_takes_its_own(follower: Follower) -> None:
    job = follower.finished(request_of(model=None, refine=False))
    made = reconstruct(shipped_model(), picture(), Run(), resolution=24, refine=False)
    mesh = MeshData.from_triangles(made.positions, made.triangles)
    assert follower.result(job)[0] == [joined(shape_frame(job, 0, 1, mesh))]


def test_previews_are_shapes(follower: Follower) -> None:
    job = follower.client.submit(request_of(preview=True))
    preview: Preview = follower.first(Preview, job)
    follower.client.preview_seen(job, preview.revision)
    assert (preview.times.tolist(), preview.vertices.shape) == ([0.0], (1, 0, 3))
    assert preview.meshes[0].n_faces > 20
    follower.first(Finished, job)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": np.zeros((48, 64, 4), np.uint8)}, "is transparent everywhere"),
        ({"image": np.full((48, 64, 4), 255, np.uint8)}, "is opaque everywhere"),
        ({"image": np.full((2, 2, 4), 255, np.uint8)}, "has 2 x 2 pixels"),
        ({"model": np.arange(100, dtype=np.uint8)}, "the model: not a model of `single-view train`"),
        ({"model": np.zeros(0, np.uint8)}, "the model: not a model of `single-view train`"),
        ({"device": "cuda:7"}, "device 'cuda:7' is not available"),
    ],
)
def test_what_cannot_be_reconstructed_fails_in_words(follower: Follower, changes: dict[str, Any], words: str) -> None:
    job = follower.client.submit(request_of(**changes))
    error: Error = follower.first(Error, job)
    assert (error.code, words in error.message) == ("bad-setting", True), error
    assert follower.state(job, "failed")


def test_a_model_without_a_surface_fails_in_words(follower: Follower) -> None:
    empty = model_of(model(), "it")
    empty.network.decoder.layers[-1].bias.data += 10.0
    job = follower.client.submit(request_of(model=np.frombuffer(empty.to_bytes(), np.uint8)))
    error: Error = follower.first(Error, job)
    assert error.code == "bad-setting"
    assert "the model has no surface for this image" in error.message


def test_nothing_can_be_made_from_it(follower: Follower) -> None:
    job = follower.finished(request_of(refine=False))
    error: Error = follower.first(Error, follower.client.bake(job, Timeline()))
    assert error.code == "unknown-job"
    assert "is a reconstruct, which has no morph" in error.message


def endless() -> ReconstructRequest:
    """Its refinement takes minutes."""
    slow = replace(model_of(model(), "it"))
    slow.network.settings = replace(SETTINGS, refine_steps=100_000)
    return request_of(model=np.frombuffer(slow.to_bytes(), np.uint8))


def matching(follower: Follower, job: str) -> None:
    follower.until(lambda: [m for m in follower.of(Progress, job) if m.phase == "matching the silhouette"])


def test_a_reconstruction_is_cancelled_at_once(follower: Follower) -> None:
    job = follower.client.submit(endless())
    matching(follower, job)
    asked = time.monotonic()
    follower.client.cancel(job)
    follower.state(job, "cancelled")
    assert time.monotonic() - asked < 2.0
    follower.finished(request_of(refine=False))
    assert not follower.of(Frame, job)


def test_the_best_so_far_is_the_result(follower: Follower) -> None:
    job = follower.client.submit(endless())
    matching(follower, job)
    follower.client.finish(job)
    assert len(follower.result(job)[0]) == 1
    report = follower.of(Finished, job)[0].report
    assert report["interrupted"] == "training"
    assert report["steps"] < 100_000


def test_it_waits_its_turn(follower: Follower) -> None:
    running = follower.client.submit(scripted(follower, steps=1000, step_seconds=0.05))
    follower.state(running, "running")
    job = follower.client.submit(endless())
    follower.client.finish(job)
    follower.state(job, "queued")
    follower.client.cancel(running)
    assert follower.first(Finished, job).report["steps"] == 0


def test_a_reconstruction_outlives_its_server(tmp_path: Path) -> None:
    """Done, done without the server knowing, and being matched when the server is killed."""
    with backend_and_client(tmp_path) as (server, follower):
        done, untold, cut = (follower.finished(request_of()) for _ in range(3))
        frames, _ = follower.result(done)
        running = follower.client.submit(endless())
        matching(follower, running)
        server.kill()
    cut_short(tmp_path / "journal", untold)
    cut_short(tmp_path / "journal", cut, "finished.bin")  # killed between the two files
    with Backend(tmp_path) as server, Follower(server.endpoint) as follower:
        follower.welcome()
        for job in (done, untold, cut, running):
            follower.client.resume(job)
        for job in (done, untold, cut):
            assert renamed(follower.result(job)[0], job, done) == frames
        matching(follower, running)
        follower.client.finish(running)
        assert len(follower.result(running)[0]) == 1


def test_an_older_client_hears_nothing_of_it(warm_backend: Backend, follower: Follower) -> None:
    job = follower.finished(request_of(refine=False))
    with client_of(warm_backend, 3) as socket:
        hears_nothing(socket, job)
        is_refused(warm_backend, socket, Reconstruct("too-new", request_of()))
