"""Speed: the start of a job, baking many frames, and streaming against bare ZeroMQ."""

from __future__ import annotations

import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import zmq

from backend import pipeline
from backend.commands.backend_process import own_backend
from backend.commands.bench.shapes import torus_pair
from backend.commands.bench.table import Figure
from backend.commands.demo import fox_request
from backend.commands.interrupt import Interrupt
from backend.commands.job import find_method
from backend.commands.progress import Progress
from backend.commands.remote_job import connect, run_job
from backend.commands.result import ResultFolder
from backend.device import configure
from backend.methods.registry import specs
from backend.training.run import Run
from protocol.client import Client
from protocol.messages import Finished, Frame, MorphRequest, Timeline

STREAMED_FRAMES: Final = 30
STREAMED_VERTICES: Final = (600, 500)  # 3.6 MB a frame
BAKED_VERTICES: Final = (250, 200)
BAKED_FRAMES: Final = 100
WINDOW: Final = 8  # frames on the way, in the bare loop too
PATIENCE: Final = 300.0  # seconds


def torus_request(size: tuple[int, int], method: str, frames: int, seconds: float | None = None) -> MorphRequest:
    """The torus pair as a request at the draft preset."""
    source, target = torus_pair(*size)
    spec = find_method(specs(), method)
    return MorphRequest(
        source, target, spec.name, spec.etag, "draft", timeline=Timeline(frames=frames), seconds=seconds
    )


def measure_start() -> list[Figure]:
    """Seconds to the first progress and the first preview, of a backend just started and of one with a warm worker."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="tweenfield-bench-") as folder, own_backend() as endpoint:
        client = connect(endpoint)
        try:
            assert client.welcome is not None
            request = replace(fox_request(client.welcome.methods, "standard", 2), seconds=12.0)
            for state in ("just started", "warm"):
                result = ResultFolder(Path(folder), 2)
                ended = run_job(client, request, result, Progress(Quiet()), Interrupt(lambda _: None))
                for what, value, reach in (
                    ("progress", ended.first_progress, "1 s"),
                    ("preview", ended.first_preview, "5 s" if state == "warm" else ""),
                ):
                    shown = "none" if value is None else f"{value:.2f} s"
                    figures.append(Figure(f"first {what} after submit, backend {state}", shown, reach))
            client.shutdown()
            client.poll(0.1)
        finally:
            client.close()
    return figures


class Quiet:
    """A stream that shows nothing."""

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        return


def measure_baking() -> list[Figure]:
    """CPU seconds of baking 100 frames of 50,000 vertices from a draft morph."""
    configure()
    request = torus_request(BAKED_VERTICES, "velocity_field", BAKED_FRAMES, seconds=15.0)
    morph = pipeline.train(request, Run(seconds=15.0)).morph
    started, wall = time.process_time(), time.monotonic()
    frames = sum(1 for _ in pipeline.bake(morph, request.timeline))
    value = f"{time.process_time() - started:.1f} CPU s ({time.monotonic() - wall:.1f} s)"
    return [Figure(f"bake {frames} frames of {request.source.n_vertices:,} vertices (draft)", value, "10 CPU s")]


def measure_streaming() -> list[Figure]:
    """Loopback streaming of finished frames, against the same bytes through two bare sockets."""
    request = torus_request(STREAMED_VERTICES, "linear", STREAMED_FRAMES)
    with own_backend() as endpoint:
        first = connect(endpoint)
        job = first.submit(request)
        _drain(first, job)
        rates, bare = [], []
        for _ in range(3):
            bare.append(_bare_rate(request.source.vertices.nbytes))
            reader = connect(endpoint, credit=WINDOW)
            started = time.monotonic()
            reader.resume(job)
            received = _drain(reader, job)
            rates.append(received / (time.monotonic() - started))
            reader.close()
        first.shutdown()
        first.poll(0.1)
        first.close()
    ours, best = max(rates), max(bare)
    what = f"loopback streaming of {STREAMED_FRAMES} frames of {request.source.vertices.nbytes / 1e6:.1f} MB"
    return [Figure(what, f"{ours / 1e6:.0f} MB/s, {ours / best:.0%} of bare ZeroMQ ({best / 1e6:.0f} MB/s)", "60 %")]


def _drain(client: Client, job: str) -> int:
    """Takes a job's frames in until it is finished; the bytes of their vertices."""
    received, deadline = 0, time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for message in client.poll(0.2):
            if isinstance(message, Frame):
                received += message.vertices.nbytes
                client.taken(job)
            elif isinstance(message, Finished):
                return received
    raise TimeoutError("the backend did not finish the streaming measurement")


def _bare_rate(size: int) -> float:
    """Bytes a second of zero-copy frames through a ROUTER and a DEALER on loopback, with the same window."""
    payload = bytes(size)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    router, dealer = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    port = router.bind_to_random_port("tcp://127.0.0.1")

    def serve() -> None:
        identity, _ = router.recv_multipart()
        for number in range(STREAMED_FRAMES):
            if number >= WINDOW:
                router.recv_multipart()
            router.send_multipart([identity, payload], copy=False)

    sender = threading.Thread(target=serve)
    sender.start()
    dealer.connect(f"tcp://127.0.0.1:{port}")
    started = time.monotonic()
    dealer.send(b"go")
    for _ in range(STREAMED_FRAMES):
        dealer.recv(copy=False)
        dealer.send(b"more")
    rate = STREAMED_FRAMES * size / (time.monotonic() - started)
    sender.join()
    context.destroy(linger=0)
    return rate
