"""A killed server and a killed client: the stream goes on, with the bytes of a run that nobody disturbed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from protocol.messages import Finished, Frame, Gone, JobState, Progress
from tests.service.harness import (
    ROOT,
    Backend,
    Follower,
    backend_environment,
    joined,
    scripted,
    wait_for,
)

FRAMES = 12


def test_a_server_killed_while_training_and_while_streaming(tmp_path: Path, backend: tuple[Backend, Follower]) -> None:
    _, undisturbed = backend
    request = scripted(undisturbed, steps=20, step_seconds=0.05, frames=FRAMES, frame_seconds=0.05)
    undisturbed.run(request, "killed-twice")
    expected, _ = undisturbed.result("killed-twice")

    received: list[bytes] = []
    with Backend(tmp_path) as first, Follower(first.endpoint, session="artist") as follower:
        follower.welcome()
        follower.client.submit(request, "killed-twice")
        follower.until(lambda: [m for m in follower.of(Progress, "killed-twice") if m.phase == "training"])
        first.kill()
    with Backend(tmp_path) as second, Follower(second.endpoint, session="artist") as follower:
        assert second.endpoint.session != first.endpoint.session
        follower.welcome()
        follower.client.resume("killed-twice")
        assert follower.first(JobState, "killed-twice").state == "queued"
        follower.until(lambda: len(follower.of(Frame, "killed-twice")) >= 4)
        received += [joined(frame) for frame in follower.of(Frame, "killed-twice")]
        second.kill()
        trained = (second.journal / "job-killed-twice" / "finished.bin").read_bytes()
    assert len(received) < FRAMES
    with Backend(tmp_path) as third, Follower(third.endpoint, session="artist") as follower:
        follower.welcome()
        follower.client.resume("killed-twice", len(received))
        finished = follower.first(Finished, "killed-twice")
        received += [joined(frame) for frame in follower.of(Frame, "killed-twice")]
        assert received == expected
        phases = {m.phase for m in follower.of(Progress, "killed-twice")}
        assert "training" not in phases  # the morph was in the journal
        assert finished.morph.tobytes() in trained
        follower.client.resume("from-another-life")
        follower.first(Gone, "from-another-life")


def test_a_killed_client_goes_on_as_another_process(tmp_path: Path, backend: tuple[Backend, Follower]) -> None:
    server, follower = backend
    request = scripted(follower, steps=2, frames=FRAMES, frame_seconds=0.1)
    follower.run(request, "left-alone")
    expected, _ = follower.result("left-alone")
    record = tmp_path / "frames.bin"
    command = [sys.executable, "-m", "tests.chaos.client_process", str(server.file), "client-killed", str(record)]
    with subprocess.Popen(command, env=backend_environment(), cwd=ROOT) as process:
        wait_for(lambda: record.exists() and record.read_bytes().count(b"frame") >= 3)
        process.kill()
    taken = record.read_bytes().count(b"frame")
    assert taken < FRAMES
    with Follower(server.endpoint, session="the-same-artist") as again:
        again.welcome()
        again.client.resume("client-killed", taken)
        again.first(Finished, "client-killed")
        frames = again.of(Frame, "client-killed")
        assert [frame.seq for frame in frames] == list(range(taken, FRAMES))
        shown = [joined(frame).replace(b"\xadclient-killed", b"\xaaleft-alone") for frame in frames]
        assert shown == expected[taken:]
