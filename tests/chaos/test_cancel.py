"""Cancelling in every state, and against the end of the job."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import psutil

from protocol.messages import Error, Finished, Frame, Gone, JobState, Progress
from protocol.states import NEXT
from tests.service.harness import Backend, Follower, backend_and_client, gone, scripted, wait_for

PROMISE = 0.5  # seconds; of a few tries the best, since other processes may have the machine for a moment


def cancelled_after(follower: Follower, job: str) -> float:
    """Cancels; seconds until the job was told to be cancelled."""
    asked = time.monotonic()
    follower.client.cancel(job)
    assert follower.state(job, "cancelled", "done", "failed") == "cancelled"
    return time.monotonic() - asked


def training(follower: Follower, job: str) -> None:
    follower.until(lambda: [m for m in follower.of(Progress, job) if m.phase == "training"])


def only_the_record_is_left(backend: Backend, job: str) -> bool:
    return [path.name for path in (backend.journal / f"job-{job}").iterdir()] == ["job.json"]


def test_cancel_in_every_state(backend: tuple[Backend, Follower]) -> None:
    server, follower = backend
    waits = []
    for _ in range(3):
        running = follower.client.submit(scripted(follower, steps=1000, step_seconds=0.05))
        queued = follower.client.submit(scripted(follower, steps=1000, step_seconds=0.05))
        training(follower, running)
        waits.append((cancelled_after(follower, queued), cancelled_after(follower, running)))
        assert [m.state for m in follower.of(JobState, queued)] == ["queued", "cancelled"]
        assert [m.state for m in follower.of(JobState, running)] == ["queued", "running", "cancelling", "cancelled"]
    assert np.min(waits, axis=0).max() < PROMISE
    worker = server.worker().pid

    baking = follower.client.submit(scripted(follower, steps=0, frames=100, frame_seconds=0.1))
    follower.until(lambda: len(follower.of(Frame, baking)) >= 3)
    cancelled_after(follower, baking)
    assert wait_for(lambda: only_the_record_is_left(server, baking))
    assert server.worker().pid == worker  # it stopped by itself each time

    for _ in range(2):
        follower.client.cancel(baking)
    follower.until(lambda: [m.state for m in follower.of(JobState, baking)].count("cancelled") == 3)
    done = follower.run(scripted(follower, steps=0))
    follower.client.cancel(done)
    follower.until(lambda: len(follower.of(JobState, done)) == 4)
    assert follower.of(JobState, done)[-1].state == "done"
    follower.client.cancel("never-heard-of")
    follower.first(Gone, "never-heard-of")


def test_a_stuck_step_is_cancelled_as_fast_and_its_worker_replaced(backend: tuple[Backend, Follower]) -> None:
    server, follower = backend
    waits = []
    for _ in range(2):
        worker = server.worker().pid
        job = follower.client.submit(scripted(follower, steps=3, ending="spin"))
        training(follower, job)
        time.sleep(0.3)  # until it is stuck
        waits.append(cancelled_after(follower, job))
        assert wait_for(lambda worker=worker: gone([worker]))  # type: ignore[misc]
        assert only_the_record_is_left(server, job)
    assert min(waits) < PROMISE
    follower.first(Finished, follower.client.submit(scripted(follower, steps=1)))


def workers(server: Backend) -> list[int]:
    return [child.pid for child in psutil.Process(server.process.pid).children()]


def test_a_worker_in_a_long_step_is_not_replaced(backend: tuple[Backend, Follower]) -> None:
    """It cannot stop for seconds; a successor that has begun to start meanwhile gives way to it."""
    server, follower = backend
    before = workers(server)
    waits = []
    for _ in range(2):
        job = follower.client.submit(scripted(follower, steps=2, step_seconds=3.0))
        training(follower, job)
        waits.append(cancelled_after(follower, job))
        follower.first(Finished, follower.client.submit(scripted(follower, steps=1)))
        assert workers(server) == before
    assert min(waits) < PROMISE


def test_a_stuck_worker_stays_until_its_successor_can_work(backend: tuple[Backend, Follower]) -> None:
    server, follower = backend
    (stuck,) = workers(server)
    job = follower.client.submit(scripted(follower, steps=1, ending="spin"))
    training(follower, job)
    time.sleep(0.2)  # until it is stuck
    cancelled_after(follower, job)
    both = wait_for(lambda: len(found := workers(server)) == 2 and found)
    assert stuck in both
    follower.first(Finished, follower.client.submit(scripted(follower, steps=1)))
    assert wait_for(lambda: workers(server) == [pid for pid in both if pid != stuck])


def test_cancel_against_completion(backend: tuple[Backend, Follower]) -> None:
    _, follower = backend
    random = np.random.default_rng(0)
    ends = []
    for _ in range(25):
        job = follower.client.submit(scripted(follower, steps=2, step_seconds=0.005, frames=4))
        pause = time.monotonic() + float(random.uniform(0.0, 0.08))
        follower.until(lambda pause=pause: time.monotonic() > pause)  # type: ignore[misc]
        follower.client.cancel(job)
        end = follower.state(job, "cancelled", "done")
        if end == "done":
            assert len(follower.result(job)[0]) == 4
        else:
            assert not follower.of(Finished, job)
        states = [m.state for m in follower.of(JobState, job)]
        changes = [(a, b) for a, b in itertools.pairwise(states) if a != b]
        assert all(b in NEXT[a] for a, b in changes), states
        assert not follower.of(Error, job)
        ends.append(end)
    assert set(ends) == {"done", "cancelled"}


def test_a_cancelled_job_stays_cancelled_after_a_restart(tmp_path: Path) -> None:
    with backend_and_client(tmp_path) as (server, follower):
        job = follower.client.submit(scripted(follower, steps=1000, step_seconds=0.05))
        training(follower, job)
        follower.client.cancel(job)
        follower.state(job, "cancelling", "cancelled")
        server.kill()
    with Backend(tmp_path) as server, Follower(server.endpoint) as follower:
        follower.welcome()
        follower.client.resume(job)
        assert follower.first(JobState, job).state == "cancelled"
