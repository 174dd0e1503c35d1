"""Polling a client until something holds."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from protocol.client import Client
from protocol.link import Times
from protocol.messages import Finished, Frame, Message
from tests.protocol.small_backend import frame

# The protocol's times, shortened: the tests wait for them.
QUICK = Times(ping=0.1, liveness=0.6, first_retry=0.02, last_retry=0.2, stall=0.3, ask_again=0.05)


def poll_until(
    client: Client,
    holds: Callable[[list[Message]], bool],
    *,
    seconds: float = 20.0,
    take: bool = True,
    messages: list[Message] | None = None,
) -> list[Message]:
    """All messages until ``holds`` of them. Frames are taken in at once with ``take``."""
    messages = [] if messages is None else messages
    end = time.monotonic() + seconds
    while not holds(messages):
        assert time.monotonic() < end, f"still {client.state} ({client.reason}) after {messages}"
        for message in client.poll(0.02):
            messages.append(message)
            if take and isinstance(message, Frame):
                client.taken(message.job)
    return messages


def has(kind: type, job: str | None = None) -> Callable[[list[Message]], bool]:
    """Holds when a message of the kind (and job) is there."""
    return lambda messages: any(isinstance(m, kind) and job in (None, getattr(m, "job", None)) for m in messages)


def ready(client: Client) -> None:
    poll_until(client, lambda _: client.state == "ready")


def frames_of(messages: list[Message], job: str) -> list[Frame]:
    return [message for message in messages if isinstance(message, Frame) and message.job == job]


def assert_whole(messages: list[Message], job: str, total: int) -> None:
    """Every frame of the small backend once and in order, and one end."""
    frames = frames_of(messages, job)
    assert [f.seq for f in frames] == list(range(total))
    for f in frames:
        np.testing.assert_array_equal(f.vertices, frame(job, f.seq, total).vertices)
    assert sum(isinstance(m, Finished) and m.job == job for m in messages) == 1
