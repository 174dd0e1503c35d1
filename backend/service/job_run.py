"""One job in the worker process: from the request in its folder to frames in its folder."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

import backend
from backend import pipeline
from backend.checkpoint import morph_to_bytes
from backend.device import available_devices, choose_device, configure
from backend.mesh_match import match_meshes
from backend.methods.method import Morph
from backend.methods.registry import specs
from backend.service.baking import bake, morph_in, show
from backend.service.faults import failure_of
from backend.service.job_output import JobOutput, finished_in, submission_in
from backend.service.link import Begin, Ended, Outbox
from backend.service.reconstruct_run import run_reconstruct
from backend.service.refine_run import run_refine
from backend.service.surface_run import run_surface
from backend.service.wishes import Wishes
from backend.surfaces.registry import surface_specs
from backend.training.run import Cancelled, Run
from protocol import wire
from protocol.checks import MAX_FRAMES
from protocol.limits import LIMITS
from protocol.messages import (
    PROTOCOL,
    Bake,
    Finished,
    Match,
    MatchRequest,
    MorphRequest,
    Reconstruct,
    Refine,
    Submit,
    Surface,
    Welcome,
)

PREVIEW_RESOLUTION = 32  # cells along the longest side of a preview with faces of its own


class Worker:
    """Runs jobs on one device and tells the server of them."""

    def __init__(self, device: str, threads: int | None, outbox: Outbox) -> None:
        configure(threads)
        self._device = choose_device(device)
        self._outbox = outbox

    def catalogue(self) -> list[bytes]:
        """What this backend can do, as a Welcome message. The server fills in its own session."""
        welcome = Welcome(
            protocol=PROTOCOL,
            app=f"tweenfield-backend {backend.__version__}",
            session="",
            methods=specs(),
            devices=available_devices(),
            limits={**asdict(LIMITS), "frames": MAX_FRAMES},
            surface_methods=surface_specs(),
        )
        return [bytes(part) for part in wire.encode(welcome)]

    def run(self, begin: Begin, wishes: Wishes) -> Ended:
        """Runs a job to its end, whatever the end is."""
        try:
            JobRun(begin, wishes, self._outbox, self._device).run()
        except Cancelled:
            return Ended(begin.job, "cancelled")
        except Exception as error:
            if wishes.stopped():  # its folder may have been emptied under it
                return Ended(begin.job, "cancelled")
            return Ended(begin.job, "failed", **asdict(failure_of(error)))
        return Ended(begin.job, "done")


class JobRun:
    """The work of one job."""

    def __init__(self, begin: Begin, wishes: Wishes, outbox: Outbox, device: torch.device) -> None:
        self._out = JobOutput(begin, wishes, outbox)
        self._base = Path(begin.base)  # of a Bake or a Refine
        self._device = device

    def run(self) -> None:
        """Does what the message asks for, or what an earlier server left of it."""
        self._out.progress("preparing", 0, 0, None, None)
        message = self._out.request()
        if isinstance(message, Surface):
            run_surface(message.request, self._out, self._device)
        elif isinstance(message, Match):
            self._match(message.request)
        elif isinstance(message, Reconstruct):
            run_reconstruct(message.request, self._out, self._device)
        elif isinstance(message, Bake):
            self._bake(message)
        elif isinstance(message, Refine):
            run_refine(message.request, self._base, self._out, self._device)
        else:
            assert isinstance(message, Submit)
            self._morph(message)

    def _morph(self, message: Submit) -> None:
        """Trains unless the result is there already, then bakes the frames that are not."""
        morph = morph_in(self._out.finished()) if self._out.ended() else self._train(message.request)
        bake(morph, message.request, message.request.timeline, self._out)

    def _bake(self, message: Bake) -> None:
        if not self._out.ended():
            self._out.keep(replace(finished_in(self._base), job=self._out.job))
        bake(morph_in(self._out.finished()), submission_in(self._base), message.timeline, self._out)

    def _match(self, request: MatchRequest) -> None:
        """Finds the match of two meshes, unless an earlier server was killed after that."""
        if self._out.ended():
            return
        run = Run(device=self._device, on_progress=self._out.progress, cancelled=self._out.stopped)
        self._out.keep(match_meshes(request, run).message(self._out.job, request.target))

    def _train(self, request: MorphRequest) -> Morph:
        run = Run(
            device=self._device,
            seed=request.seed,
            seconds=request.seconds,
            on_preview=(lambda morph: self._preview(morph, request)) if request.preview_frames > 0 else None,
            cancelled=self._out.stopped,
        )
        self._out.follow_training(run)
        trained = pipeline.train(request, run)
        morph_bytes = np.frombuffer(morph_to_bytes(trained, request), np.uint8)
        self._out.keep(Finished(self._out.job, trained.report, morph_bytes))
        self._out.drop_previews()
        return trained.morph

    def _preview(self, morph: Morph, request: MorphRequest) -> None:
        """Shows coarse frames of the morph as it is."""
        count = min(request.preview_frames, LIMITS.frame // max(request.source.vertices.nbytes, 1))
        if count < 1:
            return
        times = np.linspace(0.0, 1.0, count) if count > 1 else np.ones(1)
        meshes = tuple(morph.at_resolution(PREVIEW_RESOLUTION).frames(times.tolist()))
        show(self._out, times, meshes, request.source)
