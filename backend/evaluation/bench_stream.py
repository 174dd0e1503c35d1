"""How fast frames stream over loopback: through the wire format and the client, beside a bare zero-copy ZeroMQ loop."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import zmq

from protocol.client import Client
from protocol.endpoint import bind_router
from protocol.flow_control import SendWindow
from protocol.messages import PROTOCOL, Credit, Finished, Frame, Hello, JobState, Message, Ping, Pong, Resume, Welcome
from protocol.wire import decode, encode

FRAMES = 30
TRIANGLES = 200_000  # with half as many vertices: 1.2 + 2.4 MB of vertices and indices, and 0.8 MB of offsets
ROUNDS = 5
CREDIT = 8
JOB = "bench"

Sockets = tuple[zmq.Socket[bytes], zmq.Socket[bytes]]


@dataclass(frozen=True)
class StreamBench:
    """Megabytes per second, medians over the rounds."""

    frames: int
    megabytes_per_frame: float
    bare: float  # ZeroMQ alone: the same buffers, sent and received without a copy
    wire: float  # with encode and decode, everything checked
    client: float  # through protocol.client, with credit and heartbeats

    @property
    def wire_share(self) -> float:
        """Of the bare loop."""
        return self.wire / self.bare

    @property
    def client_share(self) -> float:
        """Of the bare loop."""
        return self.client / self.bare


def make_frames(count: int = FRAMES, triangles: int = TRIANGLES) -> list[Frame]:
    """Frames of changing topology, the largest kind there is."""
    random = np.random.default_rng(0)
    n_vertices = triangles // 2
    vertices = random.random((n_vertices, 3), np.float32)
    offsets = np.arange(0, 3 * triangles + 1, 3, dtype=np.int32)
    indices = random.integers(0, n_vertices, 3 * triangles, dtype=np.int32)
    return [
        Frame(JOB, seq, count, seq / (count - 1), vertices, np.zeros(3), 1.0, offsets, indices) for seq in range(count)
    ]


def bench_stream(count: int = FRAMES, triangles: int = TRIANGLES, rounds: int = ROUNDS) -> StreamBench:
    """Streams the frames in every way, ``rounds`` times in turn, and compares the medians."""
    frames = make_frames(count, triangles)
    size = sum(memoryview(part).nbytes for part in encode(frames[0])) / 1e6
    ways: dict[str, Callable[[list[Frame]], float]] = {"bare": _bare, "wire": _wire, "client": _client}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, run in ways.items():
            seconds[way].append(run(frames))
    speed = {way: count * size / statistics.median(taken) for way, taken in seconds.items()}
    return StreamBench(count, size, speed["bare"], speed["wire"], speed["client"])


def _bare(frames: list[Frame]) -> float:
    parts = [encode(frame) for frame in frames]

    def receive(received: list[zmq.Frame]) -> None:
        for part in received[1:]:
            np.frombuffer(part.buffer, np.uint8)

    return _stream(lambda seq: parts[seq], receive, len(frames))


def _wire(frames: list[Frame]) -> float:
    return _stream(lambda seq: encode(frames[seq]), decode, len(frames))


def _stream(
    make: Callable[[int], list[bytes | memoryview]], receive: Callable[[list[zmq.Frame]], object], count: int
) -> float:
    """Seconds from a ROUTER in a thread to a DEALER here; a credit of frames bounds what is on the way."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router, context.socket(zmq.DEALER) as dealer:
        port = router.bind_to_random_port("tcp://127.0.0.1")
        router.linger = dealer.linger = 0
        dealer.connect(f"tcp://127.0.0.1:{port}")

        def send() -> None:
            identity, _ = router.recv_multipart()
            for seq in range(count):
                if seq >= CREDIT:
                    router.recv_multipart()
                router.send_multipart([identity, *make(seq)], copy=False)
            while router.poll(1000):  # the rest of the credit, so that the last frame is out before the socket closes
                router.recv_multipart()
                if not dealer_busy.is_set():
                    break

        dealer_busy = threading.Event()
        dealer_busy.set()
        sender = threading.Thread(target=send)
        sender.start()
        started = time.perf_counter()
        dealer.send(b"begin")
        for _ in range(count):
            receive(dealer.recv_multipart(copy=False))
            dealer.send(b"taken")
        seconds = time.perf_counter() - started
        dealer_busy.clear()
        dealer.send(b"end")
        sender.join()
    return seconds


def _client(frames: list[Frame]) -> float:
    with zmq.Context() as context:
        router, endpoint = bind_router(context)
        server = threading.Thread(target=_serve, args=(router, frames))
        server.start()
        client = Client(endpoint, "bench", credit=CREDIT)
        try:
            while client.state != "ready":
                client.poll(0.1)
            started = time.perf_counter()
            client.resume(JOB)
            while client.jobs:
                for message in client.poll(1.0):
                    if isinstance(message, Frame):
                        client.taken(JOB)
            return time.perf_counter() - started
        finally:
            client.shutdown()
            server.join(10)
            client.close()
            router.close(linger=0)


def _serve(router: zmq.Socket[bytes], frames: list[Frame]) -> None:
    """Streams one finished job until the client says Shutdown."""
    window, ended = SendWindow(), False
    while True:
        identity, *parts = router.recv_multipart(copy=False)
        answers, go_on = _answers(decode(parts), window, len(frames))
        if not go_on:
            return
        for answer in answers:
            router.send_multipart([identity.bytes, *encode(answer)], copy=False)
        while window.may_send(len(frames)):
            router.send_multipart([identity.bytes, *encode(frames[window.next_seq])], copy=False)
            window.sent()
        if window.next_seq == len(frames) and not ended:
            ended = True
            end = Finished(JOB, {}, np.zeros(0, np.uint8))
            router.send_multipart([identity.bytes, *encode(end)], copy=False)


def _answers(message: Message, window: SendWindow, total: int) -> tuple[list[Message], bool]:
    """What the bench's server answers, and whether it goes on."""
    if isinstance(message, Hello):
        return [Welcome(PROTOCOL, "bench", "bench", (), (), {})], True
    if isinstance(message, Ping):
        return [Pong(message.nonce, "bench")], True
    if isinstance(message, Resume):
        window.resume(message.next_seq)
        return [JobState(JOB, "done", total)], True
    if isinstance(message, Credit):
        window.grant(message.frames)
        return [], True
    return [], False
