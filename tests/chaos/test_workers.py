"""What may happen to a worker is one failed job with a readable reason; the server and the next job go on."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from protocol.messages import Error, Finished, JobState, Progress
from tests.service.harness import Follower, backend_and_client, gone, scripted, wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def failure(follower: Follower, job: str) -> Error:
    """The error of a job that fails; it comes before the state."""
    follower.state(job, "failed")
    told = [m for m in follower.messages if isinstance(m, Error | JobState) and m.job == job]
    error = told[-2]
    assert isinstance(error, Error)
    assert isinstance(told[-1], JobState)
    assert told[-1].state == "failed"
    return error


@pytest.mark.timeout(300)  # seven workers are started one after another
def test_every_end_of_a_worker_is_one_failed_job(tmp_path: Path) -> None:
    with backend_and_client(tmp_path, "--hang", "1.5") as (backend, follower):
        for ending, code, words in (
            ("raise", "internal", "a fault of the method"),
            ("no_memory", "out-of-memory", "memory did not suffice"),
            ("segfault", "worker-died", "signal 11"),
            ("stop", "worker-hung", "stood still"),
        ):
            victim = backend.worker().pid
            job = follower.client.submit(scripted(follower, steps=1, ending=ending))
            error = failure(follower, job)
            assert (error.code, words in error.message) == (code, True), error
            assert wait_for(lambda victim=victim: gone([victim]))  # type: ignore[misc]
        detail = follower.of(Error, next(m.job for m in follower.messages if isinstance(m, Error)))[0].detail
        assert "RuntimeError: a fault of the method" in detail
        assert backend.process.poll() is None

        job = follower.client.submit(scripted(follower, steps=1, ending="native"))
        assert follower.state(job, "done", "failed") == "done"  # busy is not hung

        job = follower.client.submit(scripted(follower, steps=1000, step_seconds=0.05))
        follower.until(lambda: [m for m in follower.of(Progress, job) if m.phase == "training"])
        backend.worker().send_signal(signal.SIGKILL)
        killed = time.monotonic()
        assert failure(follower, job).code == "worker-died"
        assert time.monotonic() - killed < 2.0
        after = follower.client.submit(scripted(follower, steps=1))
        follower.first(Progress, after)
        follower.client.cancel(after)  # of a job whose worker is starting
        assert follower.state(after, "cancelled", "done") == "cancelled"
        last = follower.client.submit(scripted(follower, steps=1))
        follower.first(Finished, last)


def test_a_stopped_idle_worker_is_replaced_and_a_stuck_step_given_up(tmp_path: Path) -> None:
    with backend_and_client(tmp_path, "--hang", "1", "--stall", "3") as (backend, follower):
        idle = backend.worker().pid
        backend.worker().send_signal(signal.SIGSTOP)
        unlucky = follower.client.submit(scripted(follower, steps=1))  # given to the stopped one, then to its successor
        assert follower.state(unlucky, "done", "failed") == "done"
        assert gone([idle])
        assert [m.state for m in follower.of(JobState, unlucky)] == ["queued", "running", "done"]
        job = follower.client.submit(scripted(follower, steps=1, ending="sleep"))
        error = failure(follower, job)
        assert error.code == "worker-hung"
        assert error.retryable
        assert not [path.name for path in (backend.journal / f"job-{job}").iterdir() if path.name != "job.json"]
