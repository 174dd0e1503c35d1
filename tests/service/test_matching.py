"""The match of two meshes as a job: its answer, its states, its end by cancelling, and its life in the journal."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend import pipeline
from backend.mesh_match import match_meshes
from backend.service.baking import frame_message
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.messages import (
    Cancel,
    Error,
    Finished,
    Frame,
    Gone,
    JobState,
    Match,
    Matched,
    MatchRequest,
    MorphRequest,
    Ping,
    Pong,
    Progress,
    Timeline,
    Welcome,
)
from protocol.wire import encode
from tests.one_thread import one_thread as one_thread
from tests.protocol.same import same
from tests.service.harness import Backend, Follower, backend_and_client, joined, scripted
from tests.service.older_client import client_of, hear, hears_nothing, is_refused
from tests.shapes_to_match import creature, shuffled

SOURCE = creature(2)
TARGET, PLACE = shuffled(SOURCE)


def request_of(**changes: object) -> MatchRequest:
    return replace(MatchRequest(SOURCE, TARGET, device="cpu"), **changes)  # type: ignore[arg-type]


def slow() -> MatchRequest:
    """A match that takes seconds."""
    source = creature(4)
    return MatchRequest(source, shuffled(source)[0], device="cpu")


def answer_to(follower: Follower, request: MatchRequest) -> Matched:
    """Submits a match and waits for its end, which must be good."""
    job = follower.client.submit(request)
    follower.until(lambda: follower.of(Matched, job) or follower.of(Error, job))
    assert not follower.of(Error, job)
    answer: Matched = follower.of(Matched, job)[0]
    return answer


def states(follower: Follower, job: str) -> list[str]:
    return [m.state for m in follower.of(JobState, job)]


def submitted(follower: Follower, request: MatchRequest, job: str | None = None) -> str:
    """Submits a match whose job is known to the backend when this returns."""
    job = follower.client.submit(request, job)
    follower.first(JobState, job)
    return job


def test_a_match_is_that_of_the_backend_itself(follower: Follower) -> None:
    answer = answer_to(follower, request_of())
    job = answer.job
    assert same(answer, match_meshes(request_of(), Run()).message(job, TARGET))
    assert answer.way not in ("none", "vertex-order")
    assert (answer.vertices == PLACE).mean() > 0.95
    known = answer.vertices >= 0
    np.testing.assert_allclose(answer.points[known], TARGET.vertices[PLACE][known], atol=0.1)
    assert answer.confidence[known].min() > 0
    assert states(follower, job) == ["queued", "running", "done"]
    assert {m.total_frames for m in follower.of(JobState, job)} == {0}
    assert "matching" in {m.phase for m in follower.of(Progress, job)}
    assert not follower.of(Frame, job) + follower.of(Finished, job)
    assert follower.client.jobs == ()


def test_the_same_match_thrice_is_one_job(warm_backend: Backend, follower: Follower) -> None:
    job = follower.client.submit(request_of(way="vertex-order", target=SOURCE))
    answer = follower.first(Matched, job)
    with Follower(warm_backend.endpoint) as other:
        other.welcome()
        other.client.resume(job)
        assert same(other.first(Matched, job), answer)
        other.client.submit(request_of(way="vertex-order", target=SOURCE), job)
        other.until(lambda: len(other.of(Matched, job)) == 2)
        assert states(other, job) == ["done", "done"]
        other.client.submit(request_of(), job)
        assert other.first(Error, job).code == "job-exists"


def with_more(mesh: MeshData) -> MeshData:
    """The mesh behind two vertices without a face, and with one triangle cut out."""
    faces = mesh.triangles().reshape(-1, 3) + 2
    corner = len(mesh.vertices) + 2 + np.arange(3)
    vertices = np.concatenate([np.full((2, 3), 9.0), mesh.positions(), mesh.positions()[faces[0] - 2]])
    faces = np.concatenate([corner[None], faces[1:]])
    return MeshData.from_positions(vertices + 1000.0, 3 * np.arange(len(faces) + 1), faces.reshape(-1))


def test_answers_are_in_the_artists_own_numbers(follower: Follower) -> None:
    """Vertices that are doubled on a cut are one; those without a face have no counterpart."""
    source, target = with_more(SOURCE), with_more(TARGET)
    answer = answer_to(follower, request_of(source=source, target=target))
    n = SOURCE.n_vertices
    assert answer.vertices.shape == answer.confidence.shape == (n + 5,)
    for nothing in (answer.vertices[:2] + 1, answer.confidence[:2], answer.points[:2]):
        assert not nothing.any()
    found = answer.vertices[2 : n + 2]
    assert (found == PLACE + 2).mean() > 0.95
    np.testing.assert_array_equal(answer.vertices[n + 2 :], found[SOURCE.triangles()[0]])
    there = target.origin + target.scale * answer.points.astype(np.float64)
    np.testing.assert_allclose(there[2 : n + 2], target.positions()[PLACE + 2], atol=0.1)


def test_what_cannot_be_matched_is_said_in_words(follower: Follower) -> None:
    outside = np.array([[0, 0], [1, 9999]], np.int32)
    nowhere = replace(SOURCE, vertices=np.full_like(SOURCE.vertices, np.nan))
    for request, code, words in (
        (request_of(landmarks=outside), "bad-table", "landmark 2 names target vertex 9999"),
        (request_of(way="vertex-order", target=creature(1)), "bad-table", "the vertex order cannot match"),
        (request_of(source=nowhere), "bad-mesh", "source"),
        (request_of(device="toaster"), "bad-setting", "toaster"),
    ):
        job = follower.client.submit(request)
        error: Error = follower.first(Error, job)
        assert error.code == code
        assert words in error.message
        assert follower.state(job, "failed")
    job = follower.client.submit(request_of(way="table"))
    assert follower.first(Error, job).code == "bad-setting"
    assert not states(follower, job)


def test_a_running_match_is_cancelled_at_once(follower: Follower) -> None:
    job = follower.client.submit(slow())
    follower.until(lambda: [m for m in follower.of(Progress, job) if m.phase == "matching"])
    asked = time.monotonic()
    follower.client.cancel(job)
    follower.state(job, "cancelled")
    assert time.monotonic() - asked < 1.0
    answer_to(follower, request_of())
    assert not follower.of(Matched, job)
    assert states(follower, job)[-1] == "cancelled"


def test_a_match_does_not_wait_for_trainings_and_has_none(follower: Follower) -> None:
    running = follower.client.submit(scripted(follower, steps=1000, step_seconds=0.05))
    follower.state(running, "running")
    training = follower.client.submit(scripted(follower, steps=1000, step_seconds=0.05))
    dropped, match = submitted(follower, request_of()), submitted(follower, request_of())
    follower.client.finish(match)
    follower.client.cancel(dropped)
    assert follower.state(dropped, "cancelled")
    follower.client.cancel(running)
    follower.first(Matched, match)
    began = [m.job for m in follower.messages if isinstance(m, JobState) and m.state == "running"]
    assert began[:2] == [running, match]
    assert dropped not in began
    follower.client.cancel(training)
    follower.state(training, "cancelled")


def test_a_match_cannot_be_baked(follower: Follower) -> None:
    match = follower.client.submit(request_of(way="vertex-order", target=SOURCE))
    follower.first(Matched, match)
    error: Error = follower.first(Error, follower.client.bake(match, Timeline()))
    assert error.code == "unknown-job"
    assert "is a match, which has no morph" in error.message


def test_a_match_outlives_its_server(tmp_path: Path) -> None:
    """One that was done is answered from the journal, one that ran is found anew, one that was cancelled stays so."""
    with backend_and_client(tmp_path) as (server, follower):
        done = follower.client.submit(request_of())
        answer = follower.first(Matched, done)
        running = follower.client.submit(slow())
        follower.state(running, "running")
        waiting, cancelled = submitted(follower, request_of()), submitted(follower, request_of())
        follower.client.cancel(cancelled)
        follower.state(cancelled, "cancelled")
        server.kill()
    with Backend(tmp_path) as server, Follower(server.endpoint) as follower:
        follower.welcome()
        for job in (done, waiting, cancelled):
            follower.client.resume(job)
        assert same(follower.first(Matched, done), answer)
        assert same(follower.first(Matched, waiting), replace(answer, job=waiting))
        assert follower.state(cancelled, "cancelled")
        follower.client.resume(running)
        follower.state(running, "queued", "running")
        follower.client.cancel(running)
        follower.state(running, "cancelled")


@pytest.mark.parametrize("minor", [0, 1])
def test_an_older_client_hears_nothing_of_matches(warm_backend: Backend, follower: Follower, minor: int) -> None:
    job = follower.client.submit(request_of(way="vertex-order", target=SOURCE))
    follower.first(Matched, job)
    with client_of(warm_backend, minor) as socket:
        welcome = hear(socket, Welcome)
        assert isinstance(welcome, Welcome)
        assert welcome.protocol == (1, minor)
        hears_nothing(socket, job)
        socket.send_multipart(encode(Cancel(job)))
        assert hear(socket, Gone) == Gone(job)
        is_refused(warm_backend, socket, Match("too-new", request_of()))
        socket.send_multipart(encode(Ping(3)))
        assert isinstance(hear(socket, Pong), Pong)


def morph_of(follower: Follower, **changes: object) -> MorphRequest:
    method = follower.method("linear")
    return MorphRequest(SOURCE, TARGET, "linear", method.etag, timeline=Timeline(3), device="cpu", **changes)  # type: ignore[arg-type]


def test_a_morph_with_landmarks_has_the_bytes_of_the_pipeline_itself(follower: Follower) -> None:
    picked = np.array([[k, PLACE[k]] for k in (0, 40, 90, 120)], np.int32)
    request = morph_of(follower, landmarks=picked)
    job = follower.run(request)
    trained = pipeline.train(request, Run())
    here = pipeline.bake(trained.morph, request.timeline)
    expected = [joined(frame_message(job, seq, 3, frame, request.source)) for seq, frame in enumerate(here)]
    assert follower.result(job)[0] == expected
    report = follower.of(Finished, job)[0].report
    assert report["correspondence"] not in (None, "vertex-order")
    assert report["matching"]["landmarks"] == 4
    assert isinstance(report["said"], list)
    last = follower.of(Frame, job)[-1].vertices
    assert np.linalg.norm(last - TARGET.vertices[PLACE], axis=1).mean() < 0.05


def test_a_morph_whose_landmarks_cannot_be_fails_in_words(follower: Follower) -> None:
    for landmarks, words in (
        ([[0, 0], [5, 162]], "landmark 2 names target vertex 162, but the target has 162 vertices"),
        ([[0, 0], [0, 1]], "landmarks 1 and 2 both name source vertex 0"),
    ):
        error: Error = follower.first(
            Error, follower.client.submit(morph_of(follower, landmarks=np.array(landmarks, np.int32)))
        )
        assert error.code == "bad-table"
        assert words in error.message
