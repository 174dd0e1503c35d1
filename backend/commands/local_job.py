"""A job in this process: training that Ctrl-C ends early, then baking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backend import pipeline
from backend.checkpoint import morph_to_bytes
from backend.commands.interrupt import Interrupt
from backend.commands.progress import Progress
from backend.commands.result import ResultFolder
from backend.commands.watch import Watch
from backend.device import choose_device, configure
from backend.methods.method import Morph
from backend.training.run import Cancelled
from protocol.mesh import MeshData
from protocol.messages import MorphRequest, Timeline


def train_here(
    request: MorphRequest, folder: Path, progress: Progress, interrupt: Interrupt
) -> tuple[Morph, dict[str, Any]]:
    """Trains, writes ``morph.safetensors``, and returns the morph and its report.

    Ctrl-C during the training keeps the best so far; before it, ``KeyboardInterrupt`` is raised. ``interrupt`` is one
    that raises at once.
    """
    configure()
    run = Watch(progress, interrupt).begin(choose_device(request.device), request.seed, request.seconds)
    try:
        trained = pipeline.train(request, run)
    except Cancelled:
        raise KeyboardInterrupt from None
    (folder / "morph.safetensors").write_bytes(morph_to_bytes(trained, request))
    return trained.morph, trained.report


def bake_here(
    morph: Morph,
    timeline: Timeline,
    carry: tuple[MeshData, ...],
    result: ResultFolder,
    progress: Progress,
    interrupt: Interrupt,
) -> bool:
    """Writes every frame. Returns False when Ctrl-C ended it early; what is written stays."""
    with result.phase("baking"):
        for frame in pipeline.bake(morph, timeline, carry):
            result.add(frame.time, frame.mesh, frame.carried)
            progress("baking", result.written, timeline.frames)
            if interrupt.asked and result.written < timeline.frames:
                return False
    return True
