"""The client against a small real backend: handshake, jobs, credit, loss and return."""

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

import numpy as np
import psutil
import pytest
import zmq

from protocol.client import Client
from protocol.endpoint import EndpointError, read_connection_file
from protocol.link import Times
from protocol.messages import (
    Cancel,
    Credit,
    Error,
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
    Timeline,
    Welcome,
)
from protocol.wire import WireError
from tests.protocol.following import QUICK, frames_of, has, poll_until, ready
from tests.protocol.proxy import Proxy
from tests.protocol.samples import request
from tests.protocol.small_backend import SmallBackend, frame


@pytest.fixture
def closing(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    """Makes clients that are closed at the end of the test."""
    clients: list[Client] = []

    def make(endpoint, **options):  # type: ignore[no-untyped-def]
        clients.append(Client(endpoint, "test", **{"times": QUICK, **options}))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def assert_whole(messages: list[Message], job: str, total: int) -> None:
    frames = frames_of(messages, job)
    assert [f.seq for f in frames] == list(range(total))
    for f in frames:
        np.testing.assert_array_equal(f.vertices, frame(job, f.seq, total).vertices)
    assert sum(isinstance(m, Finished) and m.job == job for m in messages) == 1


def test_a_job_from_submit_to_finished(closing) -> None:
    with SmallBackend() as backend:
        client = closing(backend.endpoint)
        assert client.state == "connecting"
        job = client.submit(request())  # before the handshake is done
        messages = poll_until(client, has(Finished))
        assert isinstance(messages[0], Welcome)
        assert client.welcome == messages[0]
        assert_whole(messages, job, 6)
        assert client.jobs == ()
        sent = backend.submissions()[0].request
        np.testing.assert_array_equal(sent.source.vertices, request().source.vertices)
        np.testing.assert_array_equal(sent.pairs, request().pairs)


def test_bake_and_cancel(closing) -> None:
    with SmallBackend(hold=True) as backend:
        client = closing(backend.endpoint)
        job = client.bake("base", Timeline(3))
        poll_until(client, has(JobState, job))
        client.cancel(job)
        messages = poll_until(client, lambda ms: any(isinstance(m, JobState) and m.state == "cancelled" for m in ms))
        assert client.jobs == ()
        client.cancel(job)  # again, after its end
        poll_until(client, has(JobState, job))
        client.cancel("never-known")
        poll_until(client, has(Gone, "never-known"))
        assert not any(isinstance(m, Finished) for m in messages)


def test_a_cancel_before_the_handshake_is_not_forgotten(closing) -> None:
    with SmallBackend(hold=True) as backend:
        client = closing(backend.endpoint)
        job = client.submit(request())
        client.cancel(job)
        poll_until(client, lambda ms: any(isinstance(m, JobState) and m.state == "cancelled" for m in ms))


def test_what_cannot_travel_is_refused_before_it_is_sent(closing) -> None:
    with SmallBackend() as backend:
        client = closing(backend.endpoint)
        with pytest.raises(WireError, match="pairs"):
            client.submit(replace(request(), pairs=np.zeros((2, 2), np.int64)))
        assert client.jobs == ()


def test_a_refused_submission_ends_with_its_error(closing) -> None:
    with SmallBackend() as backend:
        client = closing(backend.endpoint)
        job = client.submit(replace(request(), seed=-1))
        (error,) = [m for m in poll_until(client, has(Error)) if isinstance(m, Error)]
        assert (error.code, error.job) == ("bad-setting", job)
        assert client.jobs == ()


def test_never_more_frames_than_credit_with_a_slow_reader(closing) -> None:
    with SmallBackend(frames=40) as backend:
        client = closing(backend.endpoint, credit=3)
        job = client.submit(request())
        messages: list[Message] = []
        for taken in range(0, 36, 3):
            poll_until(client, lambda ms, n=taken: len(frames_of(ms, job)) == n + 3, take=False, messages=messages)
            for _ in range(5):  # reads on, takes nothing in
                messages.extend(client.poll(0.01))
            assert len(frames_of(messages, job)) == taken + 3
            client.taken(job, 3)
        poll_until(client, has(Finished), messages=messages)
        assert_whole(messages, job, 40)
        assert backend.most_credit <= 3


def test_a_caller_that_takes_nothing_is_not_bothered_and_bothers_nobody(closing) -> None:
    with SmallBackend(frames=9) as backend:
        client = closing(backend.endpoint, credit=2)
        job = client.submit(request())
        messages = poll_until(client, lambda ms: len(frames_of(ms, job)) == 2, take=False)
        for _ in range(30):
            messages.extend(client.poll(0.03))
        assert len(frames_of(messages, job)) == 2
        assert not any(isinstance(m, Resume) for m in backend.seen)
        client.taken(job, 2)
        poll_until(client, has(Finished), messages=messages)
        assert_whole(messages, job, 9)


def test_queues_of_one_message_on_both_sides(closing) -> None:
    with zmq.Context() as context, SmallBackend(frames=30, hwm=1, vertices=20_000) as backend:
        context.sndhwm = context.rcvhwm = 1
        client = closing(backend.endpoint, context=context, credit=8)
        jobs = [client.submit(request()) for _ in range(3)]
        messages = poll_until(client, lambda ms: sum(isinstance(m, Finished) for m in ms) == 3)
        for job in jobs:
            assert [f.seq for f in frames_of(messages, job)] == list(range(30))
        client.close()


def test_poll_without_time_returns_at_once_in_every_state(closing) -> None:
    longest = 0.0
    with SmallBackend(frames=200, vertices=30_000) as backend:
        client = closing(backend.endpoint, credit=16)
        client.submit(request())
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            began = time.thread_time()
            messages = client.poll(0.0, max_messages=4)
            longest = max(longest, time.thread_time() - began)
            assert len(messages) <= 4
            for m in messages:
                if isinstance(m, Frame):
                    client.taken(m.job)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        began = time.thread_time()
        client.poll(0.0)
        longest = max(longest, time.thread_time() - began)
    assert client.state == "lost"
    assert longest < 0.05  # CPU seconds of this thread; in practice far below


def test_the_budget_leaves_the_rest_for_the_next_call(closing) -> None:
    with SmallBackend(frames=50) as backend:
        client = closing(backend.endpoint, credit=50)
        job = client.submit(request())
        poll_until(client, has(JobState))
        time.sleep(0.3)
        assert len(client.poll(0.0, budget=-1.0)) == 0
        assert len(client.poll(0.0, max_messages=5)) == 5
        messages = poll_until(client, has(Finished))
        assert frames_of(messages, job)[-1].seq == 49


def test_a_dead_port_is_lost_with_a_reason_and_growing_delays(closing) -> None:
    with SmallBackend() as backend:
        endpoint = backend.endpoint
    client = closing(endpoint, times=Times(first_retry=0.02, last_retry=0.1))
    delays = []
    for _ in range(6):
        poll_until(client, lambda _: client.state == "lost" and client.retry_in > 0)
        delays.append(client.retry_in)
        poll_until(client, lambda _: client.retry_in == 0)
    assert "no backend answers at tcp://127.0.0.1" in client.reason
    assert delays[0] <= 0.02 < delays[2] <= 0.08 < max(delays) <= 0.1


def test_back_off_doubles_to_32_seconds(closing) -> None:
    with SmallBackend() as backend:
        link = closing(backend.endpoint, times=Times())._link
        delays = []
        for _ in range(10):
            link.lose("for a test")
            delays.append(round(link.retry_in(), 1))
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


@pytest.mark.parametrize("address", ["tcp://", "nonsense", "tcp://127.0.0.1:99999"])
def test_an_impossible_address_is_an_error_at_once(address: str) -> None:
    with SmallBackend() as backend, pytest.raises(EndpointError, match="is no address|cannot be connected to"):
        Client(replace(backend.endpoint, address=address), "test")


def test_cancel_messages_pass_bulk(closing) -> None:
    """With all credit used, a cancel and its answer still go through at once."""
    with SmallBackend(frames=50, vertices=50_000) as backend:
        client = closing(backend.endpoint, credit=4)
        job = client.submit(request())
        poll_until(client, lambda ms: len(frames_of(ms, job)) == 4, take=False)
        began = time.monotonic()
        client.cancel(job)
        poll_until(client, has(JobState, job), take=False)
        assert time.monotonic() - began < 0.5
        assert Cancel(job) in backend.seen
