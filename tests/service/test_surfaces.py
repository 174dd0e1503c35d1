"""Surfaces as jobs: their frames, their previews, their ends, and their life in the journal."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.geometry.shape_data import shape_of
from backend.service.surface_run import surface_frames
from backend.surface_fit import FitRequest, fit_shape
from backend.surfaces.distance_field import field_of
from backend.training.run import Run
from protocol.messages import (
    Error,
    Finished,
    Frame,
    JobState,
    Preview,
    Progress,
    Surface,
    SurfaceRequest,
    Timeline,
    Welcome,
)
from protocol.shape import ShapeData
from tests.one_thread import one_thread as one_thread
from tests.service.harness import Backend, Follower, backend_and_client, cut_short, joined, renamed, scripted
from tests.service.older_client import client_of, hear, hears_nothing, is_refused

QUICK = {"steps": 60, "width": 64, "depth": 3, "activation": "softplus"}
FAR = np.array([1e5, 0.0, -3.0])


def ball(count: int = 800, radius: float = 2.0) -> ShapeData:
    """Points all over a ball, far from the origin, with normals."""
    index = np.arange(count) + 0.5
    height = 1.0 - 2.0 * index / count
    angle = np.pi * (1.0 + 5.0**0.5) * index
    ring = np.sqrt(1.0 - height**2)
    normals = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)
    return ShapeData.from_positions(FAR + radius * normals, normals=normals.astype(np.float32))


def circle() -> ShapeData:
    angles = np.arange(48) * 2 * np.pi / 48
    places = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    ends = np.stack([np.arange(48), (np.arange(48) + 1) % 48], axis=1).astype(np.int32)
    return ShapeData.from_positions(places, segments=ends)


def request_of(follower: Follower, **changes: object) -> SurfaceRequest:
    """A quick request; the etag is that of its method."""
    method = str(changes.get("method", "igr"))
    specs = follower.welcome().surface_methods
    assert specs is not None
    etag = next((spec.etag for spec in specs if spec.name == method), "")
    usual = SurfaceRequest(ball(), method, etag, settings=QUICK, resolution=16, device="cpu")
    return replace(usual, **changes)  # type: ignore[arg-type]


def endless(follower: Follower, **changes: object) -> SurfaceRequest:
    return request_of(follower, settings=QUICK | {"steps": 1_000_000}, **changes)


def positions(frame: Frame) -> np.ndarray:
    return np.asarray(frame.origin + frame.scale * frame.vertices.astype(np.float64))


def is_closed(frame: Frame) -> bool:
    assert frame.face_indices is not None
    triangles = frame.face_indices.reshape(-1, 3)
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    return bool((np.unique(edges, axis=0, return_counts=True)[1] == 2).all())


def test_a_job_has_the_bytes_of_the_fit_itself(follower: Follower) -> None:
    request = request_of(follower, levels=(0.0, 0.5, -0.5), skeleton=True, seed=3)
    job = follower.finished(request)
    frames, field_bytes = follower.result(job)
    fitted = fit_shape(shape_of(request.shape), FitRequest("igr", settings=QUICK), Run(seed=3))
    assert field_bytes == fitted.field.to_bytes()
    assert frames == [joined(frame) for frame in surface_frames(fitted.field, request, job)]
    report = follower.of(Finished, job)[0].report
    assert (report["method"], report["mode"], report["seed"]) == ("igr", "signed", 3)
    assert report["training_steps"] == 60
    follower.state(job, "done")
    assert [m.state for m in follower.of(JobState, job)] == ["queued", "running", "done"]


def test_surfaces_are_where_they_were_asked_for(follower: Follower) -> None:
    levels, longer = (0.0, 0.5, -0.5, -5.0), QUICK | {"steps": 120}
    job = follower.finished(request_of(follower, levels=levels, skeleton=True, resolution=24, settings=longer))
    *surfaces, nowhere, skeleton = follower.of(Frame, job)
    for frame, radius in zip(surfaces, (2.0, 2.5, 1.5), strict=True):
        assert is_closed(frame)
        assert np.abs(np.linalg.norm(positions(frame) - FAR, axis=1) - radius).max() < 0.05
    assert len(nowhere.vertices) == len(nowhere.face_indices) == 0
    assert len(skeleton.vertices) >= 1
    assert np.linalg.norm(positions(skeleton) - FAR, axis=1).max() < 0.6
    assert {m.total_frames for m in follower.of(JobState, job)} == {5}


def test_a_curve_is_surrounded(follower: Follower) -> None:
    request = request_of(
        follower,
        shape=circle(),
        method="full_information",
        settings={"steps": 600, "network": "mlp", "width": 64, "level": 0.06},
        levels=(0.0, 0.1),
        resolution=40,
        skeleton=True,
    )
    job = follower.finished(request)
    surface, shell, skeleton = follower.of(Frame, job)
    report = follower.of(Finished, job)[0].report
    assert report["mode"] == "unsigned"
    field = field_of(follower.of(Finished, job)[0].morph.tobytes(), "it")
    for frame, distance in ((surface, field.level), (shell, field.level + 0.1)):
        places = positions(frame)
        away = np.hypot(np.linalg.norm(places[:, :2], axis=1) - 1.0, places[:, 2])
        assert is_closed(frame)
        assert np.abs(away - distance).mean() < 0.03
    assert len(skeleton.vertices) == 0
    assert any("no inside" in warning for warning in report["warnings"])


def test_previews_are_surfaces_that_grow_towards_it(follower: Follower) -> None:
    job = follower.client.submit(endless(follower, preview=True))
    follower.until(lambda: [m for m in follower.of(Progress, job) if m.phase == "training" and m.step > 60])
    follower.first(Preview, job)
    seen = follower.of(Preview, job)[-1]
    follower.client.preview_seen(job, seen.revision)
    newer = follower.until(lambda: next((m for m in follower.of(Preview, job) if m.revision > seen.revision), None))
    (mesh,) = newer.meshes
    assert newer.times.tolist() == [0.0]
    assert newer.vertices.shape == (1, 0, 3)
    assert np.abs(np.linalg.norm(mesh.positions() - FAR, axis=1) - 2.0).max() < 0.3
    follower.client.cancel(job)
    follower.state(job, "cancelled")


def test_a_running_fit_is_cancelled_at_once(follower: Follower) -> None:
    job = follower.client.submit(endless(follower))
    follower.until(lambda: [m for m in follower.of(Progress, job) if m.loss is not None])
    asked = time.monotonic()
    follower.client.cancel(job)
    follower.state(job, "cancelled")
    assert time.monotonic() - asked < 1.0
    follower.finished(request_of(follower))  # the worker is there for the next
    assert not follower.of(Frame, job)


def test_the_best_so_far_is_the_result(follower: Follower) -> None:
    job = follower.client.submit(endless(follower))
    follower.until(lambda: [m for m in follower.of(Progress, job) if m.loss is not None and m.step >= 60])
    follower.client.finish(job)
    report = follower.first(Finished, job).report
    assert report["interrupted"] == "training"
    assert 60 <= report["training_steps"] < 100_000
    (frame,) = follower.of(Frame, job)
    assert is_closed(frame)
    assert np.abs(np.linalg.norm(positions(frame) - FAR, axis=1) - 2.0).max() < 0.1


def test_what_cannot_be_fitted_fails_in_words(follower: Follower) -> None:
    nowhere = replace(ball(), points=np.where(np.arange(800)[:, None] == 7, np.nan, ball().points).astype(np.float32))
    for request, code, words in (
        (request_of(follower, shape=ShapeData(np.eye(3, dtype=np.float32))), "bad-mesh", "3 distinct points"),
        (request_of(follower, shape=nowhere), "bad-mesh", "NaN (number 7"),
        (request_of(follower, shape=ShapeData(np.zeros((0, 3), np.float32))), "bad-mesh", "points"),
        (request_of(follower, shape=circle()), "bad-setting", "igr makes signed fields only"),
        (request_of(follower, device="toaster"), "bad-setting", "toaster"),
    ):
        job = follower.client.submit(request)
        error: Error = follower.first(Error, job)
        assert (error.code, words in error.message) == (code, True), error
        assert follower.state(job, "failed")


def test_what_makes_no_sense_makes_no_job(follower: Follower) -> None:
    for request, code, words in (
        (request_of(follower, etag="0"), "stale-settings", "igr have changed"),
        (request_of(follower, method="poisson"), "unknown-method", "no method for surfaces 'poisson'; it has igr"),
        (request_of(follower, mode="unsigned"), "bad-setting", "makes no unsigned field; ask for signed or auto"),
        (request_of(follower, preset="none"), "bad-setting", "no preset 'none'"),
        (request_of(follower, settings={"steps": -1}), "bad-setting", "steps is -1"),
    ):
        job = follower.client.submit(request)
        error: Error = follower.first(Error, job)
        assert (error.code, words in error.message) == (code, True), error
        assert not follower.of(JobState, job)


def test_a_surface_cannot_be_baked(follower: Follower) -> None:
    job = follower.finished(request_of(follower, settings=QUICK | {"steps": 0}))
    error: Error = follower.first(Error, follower.client.bake(job, Timeline()))
    assert error.code == "unknown-job"
    assert "is a surface, which has no morph" in error.message


def test_a_surface_waits_its_turn_and_is_not_trained_where_nobody_waits(follower: Follower) -> None:
    running = follower.client.submit(scripted(follower, steps=1000, step_seconds=0.05))
    follower.state(running, "running")
    job = follower.client.submit(endless(follower))
    follower.client.finish(job)
    follower.state(job, "queued")
    follower.client.cancel(running)
    assert follower.first(Finished, job).report["training_steps"] == 0


def test_a_surface_outlives_its_server(tmp_path: Path) -> None:
    """Done, half made and in training when the server is killed: each ends with the bytes it would have had."""
    with backend_and_client(tmp_path) as (server, follower):
        request = request_of(follower, levels=(0.0, 0.5, -0.5), skeleton=True)
        done, half = follower.finished(request), follower.finished(request)
        frames, field = follower.result(done)
        training = follower.client.submit(replace(request, settings=QUICK | {"steps": 400}))
        follower.until(lambda: [m for m in follower.of(Progress, training) if m.loss is not None])
        server.kill()
    cut_short(tmp_path / "journal", half, *(f"frame-{seq:06d}.bin" for seq in (1, 2, 3)))
    with Backend(tmp_path) as server, Follower(server.endpoint) as follower:
        follower.welcome()
        for job in (done, half, training):
            follower.client.resume(job)
        assert follower.result(done) == (frames, field)
        again, same_field = follower.result(half)
        assert same_field == field
        assert renamed(again, half, done) == frames
        assert follower.first(Finished, training).report["training_steps"] == 400


@pytest.mark.parametrize("minor", [1, 2])
def test_an_older_client_hears_nothing_of_surfaces(warm_backend: Backend, follower: Follower, minor: int) -> None:
    job = follower.finished(request_of(follower, settings=QUICK | {"steps": 0}))
    with client_of(warm_backend, minor) as socket:
        welcome = hear(socket, Welcome)
        assert isinstance(welcome, Welcome)
        assert (welcome.protocol, welcome.surface_methods) == ((1, minor), None)
        hears_nothing(socket, job)
        is_refused(warm_backend, socket, Surface("too-new", request_of(follower)))
