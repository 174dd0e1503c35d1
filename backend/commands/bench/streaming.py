"""Streaming: finished frames out of a real server's journal to a real client, beside a bare zero-copy ZeroMQ loop.

Both cross the same loopback between two processes, in turn, with as many frames of the same size on the way.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

import numpy as np
import zmq

from backend.commands.backend_process import own_backend
from backend.commands.bench.shapes import torus_pair
from backend.commands.job import find_method
from backend.commands.remote_job import connect
from protocol.client import Client
from protocol.endpoint import bind_router
from protocol.messages import Finished, Frame, MorphRequest, Timeline

FRAMES: Final = 30
SIZE: Final = (600, 500)  # vertices around and along the torus: 3.6 MB a frame
ROUNDS: Final = 9
WINDOW: Final = 8  # frames on the way
PATIENCE: Final = 300.0  # seconds


@dataclass(frozen=True)
class Streaming:
    """Bytes per second of every round."""

    frames: int
    frame_bytes: int
    bare: tuple[float, ...]
    backend: tuple[float, ...]

    @property
    def share(self) -> float:
        """Of the bare loop, the fastest rounds of both, which the rest of the machine disturbed least."""
        return max(self.backend) / max(self.bare)

    @property
    def median_share(self) -> float:
        """Of the bare loop in the same round, the median of all rounds."""
        return statistics.median(ours / bare for ours, bare in zip(self.backend, self.bare, strict=True))


def stream(frames: int = FRAMES, size: tuple[int, int] = SIZE, rounds: int = ROUNDS) -> Streaming:
    """Has a backend bake frames, then streams them ``rounds`` times, and as many times bare buffers of their size."""
    bare, ours = [], []
    with own_backend() as endpoint:
        client = connect(endpoint, credit=WINDOW)
        try:
            request = _request(client, frames, size)
            job = client.submit(request)
            _drain(client, job)
            frame_bytes = request.source.vertices.nbytes
            with _bare_sender(frames, frame_bytes, rounds) as dealer:
                for _ in range(rounds):
                    bare.append(_bare_round(dealer, frames))
                    ours.append(_backend_round(client, job))
            client.shutdown()
            client.poll(0.1)
        finally:
            client.close()
    return Streaming(frames, frame_bytes, tuple(bare), tuple(ours))


def _request(client: Client, frames: int, size: tuple[int, int]) -> MorphRequest:
    """A job whose training takes no time."""
    assert client.welcome is not None
    spec = find_method(client.welcome.methods, "linear")
    return MorphRequest(*torus_pair(*size), spec.name, spec.etag, timeline=Timeline(frames=frames))


def _backend_round(client: Client, job: str) -> float:
    """As the add-on takes frames in: decoded, and credit for one more with each."""
    started = time.perf_counter()
    client.resume(job)
    received, ended = _drain(client, job)
    return received / (ended - started)


def _drain(client: Client, job: str) -> tuple[int, float]:
    """Takes a job's frames in until it is finished; the bytes of their vertices, and when the last frame was there.

    The trained morph, which follows the frames, is no part of the measurement.
    """
    received, ended, deadline = 0, 0.0, time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for message in client.poll(0.2, max_messages=1):  # a frame's memory is free again before the next one comes
            if isinstance(message, Frame):
                received, ended = received + message.vertices.nbytes, time.perf_counter()
                client.taken(job)
            elif isinstance(message, Finished):
                return received, ended
    raise TimeoutError("the backend did not finish the streaming measurement")


@contextmanager
def _bare_sender(frames: int, size: int, rounds: int) -> Iterator[zmq.Socket[bytes]]:
    """ZeroMQ alone: a process that sends buffers as large as the frames, and a socket to take them in with."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    sender = spawn.Process(target=_send_bare, args=(there, frames, size, rounds), daemon=True)
    sender.start()
    there.close()
    try:
        address: str = here.recv()
        with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
            dealer.linger = 1000  # ms; the last word ends the sender
            dealer.connect(address)
            yield dealer
    finally:
        here.close()
        sender.join(10)
        sender.close()


def _bare_round(dealer: zmq.Socket[bytes], frames: int) -> float:
    started = time.perf_counter()
    dealer.send(b"begin")
    received = 0
    for _ in range(frames):
        received += len(dealer.recv(copy=False))
        dealer.send(b"taken")
    return received / (time.perf_counter() - started)


def _send_bare(pipe: Connection, frames: int, size: int, rounds: int) -> None:
    """The other process. Every frame has a buffer of its own, as it has a file of its own in the journal."""
    buffers = [np.full(size, number % 256, np.uint8).data for number in range(frames)]
    with zmq.Context() as context, pipe:
        router, endpoint = bind_router(context)
        with router:
            pipe.send(endpoint.address)
            for _ in range(rounds):
                identity, _ = router.recv_multipart()
                for number, buffer in enumerate(buffers):
                    if number >= WINDOW:
                        router.recv_multipart()
                    router.send_multipart([identity, buffer], copy=False)
                for _ in range(min(WINDOW, frames)):
                    router.recv_multipart()
