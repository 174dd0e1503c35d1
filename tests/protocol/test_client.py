"""The client against a small real backend: jobs, credit, and never waiting."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import zmq

from protocol.client import Client
from protocol.endpoint import EndpointError
from protocol.messages import (
    Cancel,
    Error,
    Finished,
    Frame,
    Gone,
    JobState,
    Message,
    Resume,
    Timeline,
    Welcome,
)
from protocol.wire import WireError
from tests.protocol.following import assert_whole, frames_of, has, poll_until
from tests.protocol.samples import request
from tests.protocol.small_backend import SmallBackend


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
        messages: list[Message] = []
        while not has(JobState)(messages):
            messages += client.poll(0.1, max_messages=1)
        time.sleep(0.3)  # the frames arrive and wait
        assert client.poll(0.0, budget=-1.0) == []
        some = client.poll(0.0, max_messages=5)
        assert 4 <= len(some) <= 5  # one of the five may be a Pong
        messages += some
        poll_until(client, has(Finished), messages=messages)
        assert frames_of(messages, job)[-1].seq == 49


@pytest.mark.parametrize("address", ["tcp://", "nonsense", "tcp://127.0.0.1:99999"])
def test_an_impossible_address_is_an_error_at_once(address: str) -> None:
    with SmallBackend() as backend, pytest.raises(EndpointError, match=r"is no address|cannot be connected to"):
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
