"""Loss and return: refusals, silence, drops, cut lines, killed and stopped processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import psutil
import pytest

from protocol.client import Client
from protocol.endpoint import read_connection_file
from protocol.link import Times
from protocol.messages import (
    Cancel,
    Credit,
    Finish,
    Finished,
    Frame,
    Gone,
    Hello,
    JobState,
    Message,
    Ping,
    Refused,
    Resume,
    Submit,
    Welcome,
)
from tests.protocol.following import QUICK, assert_whole, frames_of, has, poll_until, ready
from tests.protocol.proxy import Proxy
from tests.protocol.samples import request
from tests.protocol.small_backend import SmallBackend


def retry_in(client: Client) -> float:
    """Seconds until the next attempt to connect, while ``lost``."""
    link = client._link
    waiting = link.state == "lost" and link._socket is None
    return max(link._due - time.monotonic(), 0.0) if waiting else 0.0


def test_a_dead_port_is_lost_with_a_reason_and_growing_delays(closing) -> None:
    with SmallBackend() as backend:
        endpoint = backend.endpoint
    client = closing(endpoint, times=Times(first_retry=0.02, last_retry=0.1))
    delays = []
    for _ in range(6):
        poll_until(client, lambda _: client.state == "lost" and retry_in(client) > 0)
        delays.append(retry_in(client))
        poll_until(client, lambda _: retry_in(client) == 0)
    assert "no backend answers at tcp://127.0.0.1" in client.reason
    assert delays[0] <= 0.02 < delays[2] <= 0.08 < max(delays) <= 0.1


def test_back_off_doubles_to_32_seconds(closing) -> None:
    with SmallBackend() as backend:
        client = closing(backend.endpoint, times=Times())
        delays = []
        for _ in range(10):
            client._link.lose("for a test")
            delays.append(round(retry_in(client), 1))
        assert delays == [0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 32.0, 32.0]


def test_a_wrong_token_and_a_foreign_major_are_refused_in_words(closing) -> None:
    with SmallBackend() as backend:
        client = closing(replace(backend.endpoint, token="0" * 64))
        messages = poll_until(client, has(Refused))
        assert client.state == "refused"
        assert "token" in client.reason
        assert isinstance(messages[0], Refused)
    with SmallBackend(version=(2, 3)) as backend:
        client = closing(backend.endpoint)
        poll_until(client, has(Refused))
        assert "protocol" in client.reason
        for _ in range(10):
            client.poll(0.02)
        assert sum(isinstance(m, Hello) for m in backend.seen) == 1  # does not try again


def test_a_server_that_answers_nothing_is_lost_by_the_heartbeat(closing) -> None:
    with SmallBackend(silent=True) as backend:
        client = closing(backend.endpoint)
        poll_until(client, lambda _: client.state == "lost")
        assert "not answered" in client.reason
        assert any(isinstance(m, Hello) for m in backend.seen)


def test_heartbeats_keep_a_quiet_connection(closing) -> None:
    with SmallBackend() as backend:
        client = closing(backend.endpoint)
        ready(client)
        for _ in range(75):
            client.poll(0.02)
            assert client.state == "ready"
        assert sum(isinstance(m, Ping) for m in backend.seen) >= 8


def test_a_caller_that_was_away_does_not_blame_the_backend(closing) -> None:
    with SmallBackend() as backend:
        client = closing(backend.endpoint)
        ready(client)
        time.sleep(2 * QUICK.liveness)
        for _ in range(20):
            client.poll(0.0)
            assert client.state == "ready"
            time.sleep(0.02)
        assert sum(isinstance(m, Hello) for m in backend.seen) == 1


def test_data_counts_as_heartbeat(closing) -> None:
    """Without a single Pong, frames alone keep the connection for three times the liveness."""
    with (
        SmallBackend(frames=100_000) as backend,
        Proxy(backend.endpoint, lambda way, m: not isinstance(m, Ping)) as proxy,
    ):
        client = closing(proxy.endpoint, credit=2)
        client.submit(request())
        end = time.monotonic() + 3 * QUICK.liveness
        while time.monotonic() < end:
            for m in client.poll(0.01):
                if isinstance(m, Frame):
                    client.taken(m.job)
            assert client.state in ("connecting", "ready")


@pytest.mark.parametrize("seed", range(4))
def test_drops_and_repeats_leave_no_gap(closing, seed: int) -> None:
    """A proxy loses a quarter of all messages in both directions and doubles some; every frame arrives once."""
    dice = random.Random(seed)

    def rule(way: str, message: Message) -> int:
        if isinstance(message, Hello | Welcome):
            return 1
        return dice.choices((0, 1, 2), (0.25, 0.65, 0.1))[0]

    with SmallBackend(frames=25) as backend, Proxy(backend.endpoint, rule) as proxy:
        client = closing(proxy.endpoint, credit=3, times=replace(QUICK, stall=0.1))
        jobs = [client.submit(request()) for _ in range(2)]
        messages = poll_until(client, lambda ms: sum(isinstance(m, Finished) for m in ms) == 2)
        for job in jobs:
            assert_whole(messages, job, 25)
        assert any(isinstance(m, Resume) for m in backend.seen)


def test_a_single_lost_frame_is_asked_for_again(closing) -> None:
    lost = []

    def rule(way: str, message: Message) -> int:
        if isinstance(message, Frame) and message.seq == 7 and not lost:
            lost.append(message)
            return 0
        return 1

    with SmallBackend(frames=12) as backend, Proxy(backend.endpoint, rule) as proxy:
        client = closing(proxy.endpoint, times=replace(QUICK, stall=60.0))
        job = client.submit(request())
        assert_whole(poll_until(client, has(Finished)), job, 12)
        assert lost
        assert Resume(job, 7) in backend.seen


def test_cut_connections_resume_where_they_ended(closing) -> None:
    with SmallBackend(frames=60) as backend, Proxy(backend.endpoint, lambda way, m: 1) as proxy:
        client = closing(proxy.endpoint, credit=2)
        job = client.submit(request())
        messages: list[Message] = []
        for count in (5, 21, 44):
            poll_until(client, lambda ms, n=count: len(frames_of(ms, job)) >= n, messages=messages)
            proxy.cut()
            poll_until(client, lambda _: client.state == "lost", messages=messages)
        poll_until(client, has(Finished), messages=messages)
        assert_whole(messages, job, 60)
        hellos = [m for m in backend.seen if isinstance(m, Hello)]
        assert len(hellos) == 4
        assert len({hello.session for hello in hellos}) == 1
        assert len(backend.submissions()) == 1  # never sent again: the backend had it


@pytest.mark.parametrize("lost", ["up", "down"])
def test_a_submit_without_answer_is_sent_again_and_stays_one_job(closing, lost: str) -> None:
    """Once the submission itself is lost, once the answer to it."""
    dropped = []

    def rule(way: str, message: Message) -> int:
        if way == lost and isinstance(message, Submit | JobState) and not dropped:
            dropped.append(message)
            return 0
        return 0 if way == lost == "up" and isinstance(message, Credit) and len(dropped) == 1 else 1

    with SmallBackend(frames=4) as backend, Proxy(backend.endpoint, rule) as proxy:
        client = closing(proxy.endpoint)
        job = client.submit(request())
        messages = poll_until(client, lambda _: bool(dropped))
        proxy.cut()
        dropped.append(Ping(0))
        assert_whole(poll_until(client, has(Finished), messages=messages), job, 4)
        assert list(backend.jobs) == [job]
        assert len(backend.submissions()) == 1


@pytest.mark.parametrize("wish", ["finish", "cancel"])
def test_what_was_wished_of_a_job_is_said_again_after_a_loss(closing, wish: str) -> None:
    """A proxy loses the first word; the connection is then cut."""
    lost: list[Message] = []

    def rule(way: str, message: Message) -> int:
        if isinstance(message, Finish | Cancel) and not lost:
            lost.append(message)
            return 0
        return 1

    with SmallBackend(hold=True) as backend, Proxy(backend.endpoint, rule) as proxy:
        client = closing(proxy.endpoint)
        job = client.submit(request())
        poll_until(client, has(JobState))
        getattr(client, wish)(job)
        poll_until(client, lambda _: lost)
        assert not [m for m in backend.seen if isinstance(m, Finish | Cancel)]
        proxy.cut()
        poll_until(client, lambda _: [m for m in backend.seen if isinstance(m, Finish | Cancel)])
        assert [m for m in backend.seen if isinstance(m, Finish | Cancel)] == lost


def test_another_client_takes_a_job_over(closing) -> None:
    with SmallBackend(frames=10) as backend:
        first = closing(backend.endpoint)
        job = first.submit(request())
        poll_until(first, has(Frame), take=False)
        first.close()
        second = closing(backend.endpoint)
        second.resume(job)
        assert_whole(poll_until(second, has(Finished)), job, 10)


def small_process(file: Path, frames: int) -> subprocess.Popen[bytes]:
    file.unlink(missing_ok=True)
    process = subprocess.Popen([sys.executable, "-m", "tests.protocol.small_backend", str(file), str(frames)])
    end = time.monotonic() + 30
    while not file.exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    return process


def test_a_killed_backend_and_its_successor(closing, tmp_path: Path) -> None:
    """The successor has another port, token and session, and does not know the job: Gone."""
    file = tmp_path / "connection.json"
    process = small_process(file, 100_000)
    client = closing(read_connection_file(file), find=partial(read_connection_file, file))
    job = client.submit(request())
    poll_until(client, has(Frame))
    first = client.welcome
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    poll_until(client, lambda _: client.state == "lost", seconds=5)
    assert "broke" in client.reason
    process = small_process(file, 5)
    try:
        messages = poll_until(client, has(Gone, job))
        assert client.state == "ready"
        assert client.welcome.session != first.session
        assert client.jobs == ()
        assert isinstance(messages[-1], Gone)
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs SIGSTOP")
def test_a_stopped_backend_is_noticed_and_resumed(closing, tmp_path: Path) -> None:
    process = small_process(tmp_path / "connection.json", 30)
    try:
        client = closing(read_connection_file(tmp_path / "connection.json"), credit=1)
        job = client.submit(request())
        messages = poll_until(client, lambda ms: len(frames_of(ms, job)) == 3)
        os.kill(process.pid, signal.SIGSTOP)
        poll_until(client, lambda _: client.state == "lost", messages=messages, seconds=10)
        assert "not answered" in client.reason
        os.kill(process.pid, signal.SIGCONT)
        poll_until(client, has(Finished), messages=messages)
        assert_whole(messages, job, 30)
    finally:
        os.kill(process.pid, signal.SIGCONT)
        process.kill()
        process.wait(10)


def test_nothing_is_left_open_after_close(closing) -> None:
    with SmallBackend() as backend:
        before = psutil.Process().num_fds() if hasattr(psutil.Process, "num_fds") else 0
        for _ in range(3):
            client = closing(backend.endpoint)
            client.submit(request())
            client.poll(0.05)
            began = time.monotonic()
            client.close()
            client.close()
            assert time.monotonic() - began < 2.0
        assert client.poll(0.0) == []
        if before:
            assert psutil.Process().num_fds() <= before + 6  # the backend's own connections may still be closing
