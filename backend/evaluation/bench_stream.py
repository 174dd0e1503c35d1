"""How fast frames stream over loopback: through the wire format and the client, beside a bare zero-copy ZeroMQ loop."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
import zmq

from protocol.client import Client
from protocol.endpoint import Endpoint, bind_router
from protocol.flow_control import SendWindow
from protocol.messages import PROTOCOL, Credit, Finished, Frame, Hello, JobState, Message, Ping, Pong, Resume, Welcome
from protocol.wire import decode, encode

FRAMES = 30
TRIANGLES = 163_600  # with half as many vertices: 3.6 MB a frame
ROUNDS = 9
CREDIT = 8
JOB = "bench"

WAYS = ("bare", "wire", "client")


@dataclass(frozen=True)
class StreamBench:
    """Megabytes per second; of each way its fastest round, which the rest of the machine disturbed least."""

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
    """Streams the frames in every way from a process of its own, ``rounds`` times in turn."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    sender = spawn.Process(target=_sender, args=(there, count, triangles, rounds), daemon=True)
    sender.start()
    there.close()
    size = sum(memoryview(part).nbytes for part in encode(make_frames(2, triangles)[0])) / 1e6
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    try:
        for _ in range(rounds):
            for way in WAYS:
                endpoint: Endpoint = here.recv()
                seconds[way].append(_client(endpoint) if way == "client" else _receive(endpoint, way, count))
    finally:
        here.close()
        sender.join(10)
        sender.close()
    speed = {way: count * size / min(taken) for way, taken in seconds.items()}
    return StreamBench(count, size, speed["bare"], speed["wire"], speed["client"])


def _receive(endpoint: Endpoint, way: str, count: int) -> float:
    """Seconds to take in the frames from a bare socket, giving the sender leave for one more with each."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.linger = 1000  # ms; the last word ends the sender's turn
        dealer.connect(endpoint.address)
        dealer.send(b"hello")
        dealer.recv()
        started = time.perf_counter()
        dealer.send(b"begin")
        for _ in range(count):
            parts = dealer.recv_multipart(copy=False)
            if way == "wire":
                decode(parts)
            else:
                for part in parts[1:]:
                    np.frombuffer(part.buffer, np.uint8)
            dealer.send(b"taken")
        return time.perf_counter() - started


def _client(endpoint: Endpoint) -> float:
    """Seconds to take in the frames as the add-on does."""
    client = Client(endpoint, "bench", credit=CREDIT)
    while client.state != "ready":
        client.poll(0.1)
    started = time.perf_counter()
    client.resume(JOB)
    while client.jobs:
        for message in client.poll(1.0):
            if isinstance(message, Frame):
                client.taken(JOB)
    seconds = time.perf_counter() - started
    client.shutdown()
    client.close(linger=1.0)
    return seconds


def _sender(pipe: Connection, count: int, triangles: int, rounds: int) -> None:
    """The other process: a fresh ROUTER for each turn, its endpoint through the pipe."""
    frames = make_frames(count, triangles)
    with zmq.Context() as context, pipe:
        for _ in range(rounds):
            for way in WAYS:
                router, endpoint = bind_router(context)
                with router:
                    pipe.send(endpoint)
                    if way == "client":
                        _serve(router, frames)
                    else:
                        _send(router, frames, way)


def _send(router: zmq.Socket[bytes], frames: list[Frame], way: str) -> None:
    """Without the protocol's messages: at most ``CREDIT`` frames on the way."""
    ready = [encode(frame) for frame in frames] if way == "bare" else []
    identity, _ = router.recv_multipart()
    router.send_multipart([identity, b"hello"])
    router.recv_multipart()
    for seq, frame in enumerate(frames):
        if seq >= CREDIT:
            router.recv_multipart()
        router.send_multipart([identity, *(ready[seq] if ready else encode(frame))], copy=False)
    for _ in range(min(CREDIT, len(frames))):
        router.recv_multipart()


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
