"""A client of an older version, on a bare connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import zmq

from protocol.endpoint import make_dealer
from protocol.messages import Error, Gone, Hello, Message, Resume
from protocol.wire import decode, encode
from tests.service.harness import SECONDS, Backend


@contextmanager
def client_of(backend: Backend, minor: int) -> Iterator[zmq.Socket[bytes]]:
    with zmq.Context() as context:
        socket = make_dealer(context, backend.endpoint)
        try:
            socket.connect(backend.endpoint.address)
            socket.send_multipart(encode(Hello((1, minor), "old", f"old-{minor}", backend.endpoint.token)))
            yield socket
        finally:
            socket.close(0)


def hear(socket: zmq.Socket[bytes], kind: type) -> Message:
    """The next message of a kind; any other Error ends the test."""
    while True:
        assert socket.poll(int(1000 * SECONDS))
        message = decode(socket.recv_multipart())
        assert kind is Error or not isinstance(message, Error), message
        if isinstance(message, kind):
            return message


def hears_nothing(socket: zmq.Socket[bytes], job: str) -> None:
    """Of a job that it is too old for."""
    socket.send_multipart(encode(Resume(job, 0)))
    assert hear(socket, Gone) == Gone(job)


def is_refused(backend: Backend, socket: zmq.Socket[bytes], new: Message) -> None:
    """A message that it cannot know of makes no job."""
    job = str(getattr(new, "job", ""))
    socket.send_multipart(encode(new))
    error = hear(socket, Error)
    assert isinstance(error, Error)
    assert (error.code, error.job) == ("unknown-message", job)
    assert not (backend.journal / f"job-{job}").exists()
