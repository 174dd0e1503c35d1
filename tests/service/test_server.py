"""The server with real clients and a real worker."""

from __future__ import annotations

import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import zmq

from backend import pipeline
from backend.checkpoint import morph_from_bytes
from backend.service.baking import frame_message
from backend.training.run import Run
from protocol.endpoint import make_dealer
from protocol.messages import (
    PROTOCOL,
    Credit,
    Error,
    Finished,
    Frame,
    Hello,
    JobState,
    Message,
    MorphRequest,
    Ping,
    Pong,
    Preview,
    Progress,
    Refused,
    Submit,
    Timeline,
    Welcome,
)
from protocol.wire import decode, encode
from tests.meshes import torus
from tests.service.harness import Backend, Follower, backend_environment, grid, joined, scripted, wait_for


def linear(follower: Follower, frames: int = 6, n: int = 8) -> MorphRequest:
    spec = follower.method("linear")
    return MorphRequest(grid(n), grid(n, 0.5), "linear", spec.etag, timeline=Timeline(frames=frames), device="cpu")


def refusal(follower: Follower, request: MorphRequest) -> Error:
    """The error a submission is answered with."""
    error: Error = follower.first(Error, follower.client.submit(request))
    return error


def test_a_job_has_the_bytes_of_the_pipeline_itself(follower: Follower) -> None:
    request = linear(follower)
    job = follower.run(request)
    frames, morph = follower.result(job)

    trained = pipeline.train(request, Run())
    here = pipeline.bake(trained.morph, request.timeline)
    expected = [joined(frame_message(job, seq, 6, frame, request.source)) for seq, frame in enumerate(here)]
    assert frames == expected
    again = morph_from_bytes(morph)[0].frame(1.0)
    np.testing.assert_array_equal(again.vertices, trained.morph.frame(1.0).vertices)

    report = follower.of(Finished, job)[0].report
    assert report["seed"] == request.seed
    assert report["versions"]["torch"]
    states = [m.state for m in follower.of(JobState, job)]
    assert states == ["queued", "running", "done"]


def test_the_first_progress_comes_within_a_second(follower: Follower) -> None:
    request = scripted(follower, steps=50, step_seconds=0.02)
    submitted = time.monotonic()
    job = follower.client.submit(request)
    follower.first(Progress, job)
    assert time.monotonic() - submitted < 1.0
    follower.state(job, "done")
    phases = [m.phase for m in follower.of(Progress, job)]
    assert "training" in phases
    steps = [m.step for m in follower.of(Progress, job) if m.phase == "training"]
    assert steps == sorted(steps)
    assert len(steps) <= 25  # a few a second, not one a step


def test_a_server_starts_fast_and_without_torch(tmp_path: Path) -> None:
    with Backend(tmp_path) as backend, Follower(backend.endpoint) as client:
        client.welcome()  # as told by the worker
    with Backend(tmp_path) as backend, Follower(backend.endpoint) as client:
        client.welcome()  # as remembered, while the worker still starts
        request = scripted(client, steps=1)
        submitted = time.monotonic()
        job = client.client.submit(request)
        first = client.first(Progress, job)
        assert first.phase == "starting worker"
        assert time.monotonic() - submitted < 1.0
        server = psutil.Process(backend.process.pid)
        if sys.platform == "linux":
            assert not any("torch" in mapped.path for mapped in server.memory_maps())
        assert server.memory_info().rss < 120e6


def test_the_first_start_learns_its_methods_from_the_worker(tmp_path: Path) -> None:
    with Backend(tmp_path) as backend, Follower(backend.endpoint) as client:
        names = [spec.name for spec in client.welcome().methods]
        assert {"linear", "scripted"} <= set(names)
        assert client.welcome().devices[-1] == "cpu"
        assert client.welcome().limits["vertices"] > 1_000_000


def test_the_connection_file_is_private_and_leaves_with_the_server(tmp_path: Path) -> None:
    with Backend(tmp_path) as backend:
        assert backend.said == str(backend.file)
        if sys.platform != "win32":
            assert stat.S_IMODE(backend.file.stat().st_mode) == 0o600
            assert stat.S_IMODE(backend.journal.stat().st_mode) == 0o700
        assert backend.endpoint.address.startswith("tcp://127.0.0.1:")
        started = time.monotonic()
        backend.process.terminate()
        assert backend.process.wait(20) == 0
        assert time.monotonic() - started < 20
        assert not backend.file.exists()


def exchange(backend: Backend, messages: list[Message], count: int = 1) -> list[Message]:
    """Answers to messages on a connection without the client library."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = make_dealer(context, backend.endpoint)
    try:
        dealer.connect(backend.endpoint.address)
        for message in messages:
            dealer.send_multipart(encode(message))
        answers = []
        for _ in range(count):
            assert dealer.poll(10_000)
            answers.append(decode(dealer.recv_multipart()))
        return answers
    finally:
        dealer.close(linger=0)
        context.term()


def test_nothing_is_served_before_hello(warm_backend: Backend, follower: Follower) -> None:
    submit = Submit("too-early", linear(follower))
    answers = exchange(warm_backend, [Ping(1), submit, Credit("too-early", 1)], 3)
    assert [getattr(answer, "code", "") for answer in answers] == ["hello-first"] * 3
    assert not (warm_backend.journal / "job-too-early").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"token": "0" * 64}, "secret"),
        ({"token": ""}, "secret"),
        ({"token": "ü" * 64}, "secret"),
        ({"protocol": (PROTOCOL[0] + 1, 0)}, "update the older"),
        ({"session": ""}, "session id"),
        ({"session": "s" * 200}, "session id"),
    ],
)
def test_a_hello_is_refused_in_words(warm_backend: Backend, change: dict[str, object], words: str) -> None:
    hello = Hello(PROTOCOL, "test", "session", warm_backend.endpoint.token)
    refused = exchange(warm_backend, [replace(hello, **change)])[0]  # type: ignore[arg-type]
    assert isinstance(refused, Refused)
    assert words in refused.reason
    assert refused.supported == PROTOCOL


def test_a_newer_minor_version_is_spoken_in_ours(warm_backend: Backend) -> None:
    newer = Hello((PROTOCOL[0], PROTOCOL[1] + 3), "test", "minor", warm_backend.endpoint.token)
    welcome, pong = exchange(warm_backend, [newer, Ping(7)], 2)
    assert isinstance(welcome, Welcome)
    assert welcome.protocol == PROTOCOL
    assert pong == Pong(7, warm_backend.endpoint.session)


def test_the_same_job_thrice_is_one_job(warm_backend: Backend, follower: Follower) -> None:
    request = scripted(follower, steps=20, step_seconds=0.02)
    job = follower.client.submit(request)
    for _ in range(2):
        with Follower(warm_backend.endpoint) as another:
            another.welcome()
            another.client.submit(request, job)
            another.first(JobState, job)
    frames, _ = follower.result(job)
    follower.client.submit(request, job)
    follower.until(lambda: len(follower.of(Finished, job)) == 2)
    assert [joined(f) for f in follower.of(Frame, job)] == frames * 2
    assert [m.state for m in follower.of(JobState, job)].count("running") == 1


def test_an_id_belongs_to_one_content(follower: Follower) -> None:
    job = follower.run(linear(follower))
    follower.client.submit(linear(follower, frames=7), job)
    assert follower.first(Error, job).code == "job-exists"
    assert not [m for m in follower.of(Frame, job) if m.total == 7]


def test_stale_settings_are_refused(follower: Follower) -> None:
    error = refusal(follower, replace(linear(follower), etag="0" * 16))
    assert error.code == "stale-settings"
    assert "submit again" in error.message


def test_errors_of_the_request(follower: Follower) -> None:
    request = linear(follower)
    nowhere = replace(request.source, vertices=np.full_like(request.source.vertices, np.nan))
    pairs = np.array([[0, 0], [1, 9999]], np.int32)
    assert refusal(follower, replace(request, method="nothing")).code == "unknown-method"
    assert refusal(follower, replace(request, preset="nothing")).code == "bad-setting"
    assert refusal(follower, replace(request, settings={"nothing": 1})).code == "bad-setting"
    assert refusal(follower, replace(request, device="toaster")).code == "bad-setting"
    assert refusal(follower, replace(request, source=nowhere)).code == "bad-mesh"
    assert refusal(follower, replace(request, correspondence="table", pairs=pairs)).code == "bad-table"
    assert refusal(follower, replace(request, target=torus(8, 8))).code == "bad-table"


def test_unreadable_messages_are_answered_and_harm_nobody(warm_backend: Backend) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    dealer = make_dealer(context, warm_backend.endpoint)
    dealer.connect(warm_backend.endpoint.address)
    dealer.send_multipart(encode(Hello(PROTOCOL, "test", "bad", warm_backend.endpoint.token)))
    header = encode(Ping(1))[0]
    for parts in ([b"\xc1"], [b""], [header, b"more"], [bytes(70_000)], encode(Pong(1, ""))):
        dealer.send_multipart(parts)
    codes = []
    while len(codes) < 5:
        assert dealer.poll(10_000)
        answer = decode(dealer.recv_multipart())
        if isinstance(answer, Error):
            codes.append(answer.code)
    assert codes == ["bad-message", "bad-message", "bad-message", "too-large", "unknown-message"]
    dealer.close(linger=0)
    context.term()


def test_a_morph_is_baked_again_without_training(follower: Follower) -> None:
    request = scripted(follower, steps=10, step_seconds=0.1)
    job = follower.run(request)
    started = time.monotonic()
    baked = follower.client.bake(job, Timeline(frames=11))
    frames, morph = follower.result(baked)
    assert time.monotonic() - started < 1.0
    assert len(frames) == 11
    assert morph == follower.result(job)[1]
    ends = [follower.of(Frame, name)[-1].vertices for name in (job, baked)]
    np.testing.assert_array_equal(ends[0], ends[1])
    once_more = follower.client.bake(baked, Timeline(frames=3, reverse=True))
    follower.first(Finished, once_more)
    assert [frame.time for frame in follower.of(Frame, once_more)] == [1.0, 0.5, 0.0]


def test_baking_needs_a_finished_job(follower: Follower) -> None:
    nothing = follower.client.bake("no-such-job", Timeline())
    assert follower.first(Error, nothing).code == "unknown-job"
    job = follower.client.submit(scripted(follower, steps=100, step_seconds=0.05))
    early = follower.client.bake(job, Timeline())
    assert follower.first(Error, early).code == "unknown-job"
    follower.client.cancel(job)
    follower.state(job, "cancelled")


def test_previews_come_one_at_a_time(follower: Follower) -> None:
    job = follower.client.submit(scripted(follower, steps=100, step_seconds=0.02, previews=3))
    first: Preview = follower.first(Preview, job)
    assert first.vertices.shape == (3, 64, 3)
    np.testing.assert_array_equal(first.times, [0.0, 0.5, 1.0])
    end = time.monotonic() + 0.5
    follower.until(lambda: time.monotonic() > end)
    assert len(follower.of(Preview, job)) == 1
    follower.client.preview_seen(job, first.revision)
    follower.until(lambda: len(follower.of(Preview, job)) == 2)
    assert follower.of(Preview, job)[1].revision > first.revision + 1  # the newest, not the next
    follower.state(job, "done")


def test_two_clients_at_once(warm_backend: Backend, follower: Follower) -> None:
    with Follower(warm_backend.endpoint) as other:
        mine = follower.client.submit(scripted(follower, steps=5, frames=8))
        theirs = other.client.submit(scripted(other, steps=5, frames=9))
        assert len(other.result(theirs)[0]) == 9
        assert len(follower.result(mine)[0]) == 8
        assert not follower.of(Frame, theirs)
        assert not other.of(JobState, mine)


def test_a_client_may_follow_what_another_started(warm_backend: Backend, follower: Follower) -> None:
    job = follower.client.submit(scripted(follower, steps=30, step_seconds=0.02))
    with Follower(warm_backend.endpoint) as other:
        other.welcome()
        other.client.resume(job)
        assert other.result(job) == follower.result(job)


def test_round_trips_are_quick_while_frames_stream(warm_backend: Backend, follower: Follower) -> None:
    job = follower.client.submit(scripted(follower, steps=0, n=300, frames=40))
    follower.first(Frame, job)
    waits = []
    with Follower(warm_backend.endpoint) as other:
        other.welcome()
        while not follower.of(Finished, job):
            sent = time.monotonic()
            other.client.resume("no-such-job")
            count = len(other.messages)
            other.until(lambda count=count: len(other.messages) > count)  # type: ignore[misc]
            waits.append(time.monotonic() - sent)
            end = time.monotonic() + 0.01
            follower.until(lambda end=end: time.monotonic() > end)  # type: ignore[misc]
    assert waits
    assert float(np.median(waits)) < 0.1


def test_a_queue_has_an_end(follower: Follower) -> None:
    jobs = [follower.client.submit(scripted(follower, steps=1000, step_seconds=0.05), f"crowd-{i}") for i in range(257)]
    assert follower.first(Error, jobs[-1]).code == "busy"
    for job in jobs[-2::-1]:
        follower.client.cancel(job)
    for job in jobs[:-1]:
        assert follower.state(job, "cancelled") == "cancelled"


def test_shutdown_cancels_and_ends(tmp_path: Path) -> None:
    with Backend(tmp_path) as backend, Follower(backend.endpoint) as client:
        running = client.client.submit(scripted(client, steps=1000, step_seconds=0.05))
        waiting = client.client.submit(scripted(client, steps=1000, step_seconds=0.05))
        client.state(running, "running")
        client.client.shutdown()
        client.state(running, "cancelled")
        client.state(waiting, "cancelled")
        assert wait_for(lambda: backend.process.poll() is not None)
        assert backend.process.returncode == 0


def test_a_worker_that_cannot_start_is_told(tmp_path: Path) -> None:
    broken = {"TWEENFIELD_EXTRA_METHODS": "tests.service.no_such_module:Nothing"}
    with Backend(tmp_path, environment=broken) as backend, Follower(backend.endpoint) as client:
        client.until(lambda: client.client.state == "refused")
        assert "no_such_module" in client.client.reason
        assert "doctor" in client.client.reason
        assert backend.process.poll() is None


def test_a_poll_without_time_is_short_while_frames_stream(follower: Follower) -> None:
    job = follower.client.submit(scripted(follower, steps=0, n=300, frames=40))
    lengths, finished = [], False
    end = time.monotonic() + 60
    while not finished:
        assert time.monotonic() < end
        started = time.perf_counter()
        messages = follower.client.poll(0.0, budget=0.005)
        lengths.append(time.perf_counter() - started)
        for message in messages:
            finished |= isinstance(message, Finished)
            if isinstance(message, Frame):
                follower.client.taken(job)
        time.sleep(0.001)
    assert float(np.percentile(lengths, 95)) < 0.010


def test_a_journal_in_use_is_an_error_of_one_line(warm_backend: Backend, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "backend", "serve", "--journal", str(warm_backend.journal)]
    command += ["--connection-file", str(tmp_path / "connection.json")]
    done = subprocess.run(
        command, env=backend_environment(), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "in use by another backend" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
