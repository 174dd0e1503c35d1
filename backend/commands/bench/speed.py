"""Speed: the start of a job, baking many frames, and streaming against bare ZeroMQ."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from backend import pipeline
from backend.commands.backend_process import own_backend
from backend.commands.bench.shapes import torus_pair
from backend.commands.bench.streaming import stream
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
from protocol.messages import MorphRequest, Timeline

BAKED_VERTICES: Final = (250, 200)
BAKED_FRAMES: Final = 100


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
    """Frames out of a backend's journal to a client, beside a bare zero-copy loop in the same run."""
    found = stream()
    what = f"loopback streaming of {found.frames} frames of {found.frame_bytes / 1e6:.1f} MB"
    value = (
        f"{max(found.backend) / 1e6:.0f} MB/s, {found.share:.0%} of bare ZeroMQ ({max(found.bare) / 1e6:.0f} MB/s); "
        f"median round {found.median_share:.0%}"
    )
    return [Figure(what, value, "60 %")]
