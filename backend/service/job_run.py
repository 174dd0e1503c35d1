"""One job in the worker process: from the request in its folder to frames in its folder."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import backend
from backend import pipeline
from backend.checkpoint import morph_from_bytes, morph_to_bytes
from backend.device import available_devices, choose_device, configure
from backend.mesh_match import match_meshes
from backend.methods.method import Morph
from backend.methods.registry import specs
from backend.pipeline import BakedFrame
from backend.service.faults import failure_of
from backend.service.job_output import JobOutput, finished_in
from backend.service.journal import REQUEST
from backend.service.link import Begin, Ended, Outbox
from backend.service.parts_file import read_parts
from backend.service.surface_run import run_surface
from backend.service.wishes import Wishes
from backend.surfaces.registry import surface_specs
from backend.training.run import Cancelled, Run
from protocol import wire
from protocol.checks import MAX_FRAMES
from protocol.limits import LIMITS
from protocol.mesh import MeshData
from protocol.messages import (
    PROTOCOL,
    Bake,
    Finished,
    Frame,
    Match,
    MatchRequest,
    Message,
    MorphRequest,
    Preview,
    Submit,
    Surface,
    Timeline,
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
        self._base = Path(begin.base) if begin.base else None
        self._device = device

    def run(self) -> None:
        """Trains unless the result is there already, then bakes the frames that are not. Or finds a match."""
        self._out.progress("preparing", 0, 0, None, None)
        message = self._out.request()
        if isinstance(message, Surface):
            run_surface(message.request, self._out, self._device)
        elif isinstance(message, Match):
            self._match(message.request)
        else:
            self._morph(message)

    def _morph(self, message: Message) -> None:
        request, timeline = self._request(message)
        if self._out.ended():
            morph = _morph_of(self._out.finished())
        elif self._base is not None:
            finished = finished_in(self._base)
            morph = _morph_of(finished)
            self._out.keep(replace(finished, job=self._out.job))
        else:
            morph = self._train(request)
        self._bake(morph, request, timeline)

    def _request(self, message: Message) -> tuple[MorphRequest, Timeline]:
        if isinstance(message, Bake) and self._base is not None:
            submit = wire.decode(read_parts(self._base / REQUEST))
            assert isinstance(submit, Submit)
            return submit.request, message.timeline
        assert isinstance(message, Submit)
        return message.request, message.request.timeline

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

    def _bake(self, morph: Morph, request: MorphRequest, timeline: Timeline) -> None:
        total = timeline.frames
        there = self._out.frames_there(total)
        for seq, baked in enumerate(pipeline.bake(morph, timeline, request.carry, self._out.check)):
            if seq >= there:
                self._out.put(frame_message(self._out.job, seq, total, baked, request.source), timeline.resolution)
            self._out.progress("baking", seq + 1, total, None, None)

    def _preview(self, morph: Morph, request: MorphRequest) -> None:
        """Shows coarse frames of the morph as it is."""
        count = min(request.preview_frames, LIMITS.frame // max(request.source.vertices.nbytes, 1))
        if count < 1:
            return
        times = np.linspace(0.0, 1.0, count) if count > 1 else np.ones(1)
        meshes = tuple(morph.at_resolution(PREVIEW_RESOLUTION).frames(times.tolist()))
        if all(mesh.same_faces(request.source) for mesh in meshes):
            vertices = np.stack([_relative_to(request.source, mesh) for mesh in meshes])  # [P, V, 3]
            self._out.show(lambda revision: Preview(self._out.job, revision, times, vertices))
        else:
            none = np.zeros((count, 0, 3), np.float32)
            self._out.show(lambda revision: Preview(self._out.job, revision, times, none, meshes))


def _morph_of(finished: Finished) -> Morph:
    return morph_from_bytes(finished.morph.tobytes())[0]


def frame_message(job: str, seq: int, total: int, baked: BakedFrame, source: MeshData) -> Frame:
    """A baked frame as the message that carries it: with faces only where they are not the source's."""
    mesh = baked.mesh
    own = not mesh.same_faces(source)
    return Frame(
        job=job,
        seq=seq,
        total=total,
        time=float(baked.time),
        vertices=mesh.vertices,
        origin=mesh.origin,
        scale=mesh.scale,
        face_offsets=mesh.face_offsets if own else None,
        face_indices=mesh.face_indices if own else None,
        carried=tuple(carried.vertices for carried in baked.carried),
        attributes=mesh.attributes if own else {},
    )


def _relative_to(source: MeshData, mesh: MeshData) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Vertices [V, 3] in the source's origin and scale."""
    if mesh.scale == source.scale and np.array_equal(mesh.origin, source.origin):
        return mesh.vertices
    return source.with_positions(mesh.positions()).vertices
