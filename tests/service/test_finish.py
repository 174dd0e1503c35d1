"""Finish: the training ends now, and the best so far is baked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from protocol.messages import Error, Finished, Frame, Gone, JobState, MorphRequest, Progress, Timeline
from tests.service.harness import Backend, Follower, backend_and_client, grid, scripted


def long_training(follower: Follower) -> MorphRequest:
    """A training of the default method that would take minutes."""
    spec = follower.method("velocity_field")
    settings = {"steps": 100_000}
    return MorphRequest(
        grid(8), grid(8, 0.5), spec.name, spec.etag, "draft", settings, timeline=Timeline(frames=4), device="cpu"
    )


def trained(follower: Follower, job: str, steps: int) -> None:
    follower.until(lambda: [m for m in follower.of(Progress, job) if m.loss is not None and m.step >= steps])


def test_the_best_so_far_is_the_result(follower: Follower) -> None:
    job = follower.client.submit(long_training(follower))
    trained(follower, job, 20)
    for _ in range(3):
        follower.client.finish(job)
    frames, morph = follower.result(job)
    assert len(frames) == 4
    assert len(morph) > 1000
    report = follower.of(Finished, job)[0].report
    assert 20 <= report["training_steps"] < 100_000
    assert report["interrupted"] == "training"
    states = [m.state for m in follower.of(JobState, job)]
    assert set(states) == {"queued", "running", "done"}
    assert len(states) == 3 + 3  # each Finish is answered


def test_other_jobs_are_trained_in_full(follower: Follower) -> None:
    first = follower.client.submit(long_training(follower))
    second = follower.client.submit(replace(long_training(follower), settings={"steps": 30}))
    trained(follower, first, 1)
    follower.client.finish(first)
    reports = [follower.first(Finished, job).report for job in (first, second)]
    assert "interrupted" not in reports[1]
    assert reports[1]["training_steps"] == 30


def test_a_queued_job_is_not_trained(follower: Follower) -> None:
    running = follower.client.submit(scripted(follower, steps=1000, step_seconds=0.05))
    follower.state(running, "running")
    queued = follower.client.submit(long_training(follower))
    follower.client.finish(queued)
    follower.until(lambda: len(follower.of(JobState, queued)) == 2)
    assert [m.state for m in follower.of(JobState, queued)] == ["queued", "queued"]
    follower.client.cancel(running)
    assert len(follower.result(queued)[0]) == 4
    report = follower.of(Finished, queued)[0].report
    assert (report["training_steps"], report["interrupted"]) == (0, "training")


def test_where_nothing_is_trained_nothing_happens(follower: Follower) -> None:
    job = follower.client.submit(scripted(follower, steps=0, frames=30, frame_seconds=0.05))
    follower.first(Frame, job)
    follower.client.finish(job)
    assert len(follower.result(job)[0]) == 30
    assert "interrupted" not in follower.of(Finished, job)[0].report

    baked = follower.client.bake(job, Timeline(frames=5))
    follower.client.finish(baked)
    assert len(follower.result(baked)[0]) == 5

    follower.client.finish(job)
    follower.until(lambda: follower.of(JobState, job)[-1].state == "done")
    follower.client.finish("never-heard-of")
    follower.first(Gone, "never-heard-of")
    assert not follower.of(Error, job)


def test_a_finish_outlives_the_server(tmp_path: Path) -> None:
    """The training that was interrupted by the server's end is not begun anew."""
    with backend_and_client(tmp_path) as (server, follower):
        running = follower.client.submit(scripted(follower, steps=1000, step_seconds=0.05))
        follower.state(running, "running")
        job = follower.client.submit(long_training(follower))
        follower.client.finish(job)
        follower.until(lambda: len(follower.of(JobState, job)) == 2)
        server.kill()
    with Backend(tmp_path) as server, Follower(server.endpoint) as follower:
        follower.welcome()
        follower.client.resume(job)
        assert follower.first(Finished, job).report["training_steps"] == 0
