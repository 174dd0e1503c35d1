"""One job in the worker process: from the request in its folder to frames in its folder."""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

import backend
from backend import pipeline
from backend.checkpoint import morph_from_bytes, morph_to_bytes
from backend.device import available_devices, choose_device, configure
from backend.mesh_match import match_meshes
from backend.methods.method import Morph
from backend.methods.registry import specs
from backend.pipeline import BakedFrame
from backend.service.faults import failure_of
from backend.service.journal import FINISHED, REQUEST, frame_name, frames_there, preview_name
from backend.service.link import Begin, Ended, FramesMade, Outbox, PreviewMade, Step
from backend.service.parts_file import read_parts, write_parts
from backend.service.wishes import Wishes
from backend.training.run import Cancelled, Run
from protocol import wire
from protocol.checks import MAX_FRAMES, check_frame
from protocol.limits import LIMITS, WireError
from protocol.mesh import MeshData
from protocol.messages import (
    PROTOCOL,
    Bake,
    Finished,
    Frame,
    Match,
    Matched,
    MatchRequest,
    Message,
    MorphRequest,
    Preview,
    Submit,
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

    def __init__(self, begin: Begin, wishes: Wishes, outbox: Outbox, device: Any) -> None:
        self._job = begin.job
        self._folder = Path(begin.folder)
        self._base = Path(begin.base) if begin.base else None
        self._wishes = wishes
        self._outbox = outbox
        self._device = device
        self._started = time.monotonic()
        self._revision = 0

    def run(self) -> None:
        """Trains unless the morph is there already, then bakes the frames that are not. Or finds a match."""
        self._progress("preparing", 0, 0, None, None)
        message = wire.decode(read_parts(self._folder / REQUEST))
        if isinstance(message, Match):
            self._match(message.request)
            return
        request, timeline = self._request(message)
        if (self._folder / FINISHED).exists():  # an earlier server was killed after the training
            morph = self._restore(self._folder)
        elif self._base is not None:
            morph = self._restore(self._base)
            finished = wire.decode(read_parts(self._base / FINISHED))
            assert isinstance(finished, Finished)
            self._keep(replace(finished, job=self._job))
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
        if (self._folder / FINISHED).exists():
            return
        run = Run(device=self._device, on_progress=self._progress, cancelled=self._wishes.stopped)
        self._keep(match_meshes(request, run).message(self._job, request.target))

    def _train(self, request: MorphRequest) -> Morph:
        run = Run(
            device=self._device,
            seed=request.seed,
            seconds=request.seconds,
            on_progress=lambda *step: self._train_step(run, *step),
            on_preview=(lambda morph: self._preview(morph, request)) if request.preview_frames > 0 else None,
            cancelled=self._wishes.stopped,
        )
        trained = pipeline.train(request, run)
        morph_bytes = np.frombuffer(morph_to_bytes(trained, request), np.uint8)
        self._keep(Finished(self._job, trained.report, morph_bytes))
        self._drop_preview(self._revision)
        return trained.morph

    def _train_step(
        self, run: Run, phase: str, step: int, total: int, loss: float | None, seconds_left: float | None
    ) -> None:
        if self._wishes.hurried():
            run.finish_now()
            run.facts["interrupted"] = "training"
        self._progress(phase, step, total, loss, seconds_left)

    def _restore(self, folder: Path) -> Morph:
        finished = wire.decode(read_parts(folder / FINISHED))
        assert isinstance(finished, Finished)
        return morph_from_bytes(finished.morph.tobytes())[0]

    def _keep(self, finished: Finished | Matched) -> None:
        write_parts(self._folder / FINISHED, wire.encode(finished))

    def _bake(self, morph: Morph, request: MorphRequest, timeline: Timeline) -> None:
        total = timeline.frames
        there = frames_there(self._folder)
        self._outbox.send(FramesMade(self._job, there, total))
        for seq, baked in enumerate(pipeline.bake(morph, timeline, request.carry, self._check)):
            if seq >= there:
                frame = frame_message(self._job, seq, total, baked, request.source)
                write_parts(self._folder / frame_name(seq), _encoded(frame, timeline.resolution))
                self._outbox.send(FramesMade(self._job, seq + 1, total))
            self._progress("baking", seq + 1, total, None, None)

    def _check(self) -> None:
        if self._wishes.stopped():
            raise Cancelled

    def _progress(self, phase: str, step: int, total: int, loss: float | None, seconds_left: float | None) -> None:
        elapsed = time.monotonic() - self._started
        plain = None if loss is None else float(loss)  # a method may give numpy's or torch's kind of number
        self._outbox.send(Step(self._job, phase, int(step), int(total), plain, elapsed, seconds_left))

    def _preview(self, morph: Morph, request: MorphRequest) -> None:
        """Writes the newest preview over the last."""
        count = min(request.preview_frames, LIMITS.frame // max(request.source.vertices.nbytes, 1))
        if count < 1:
            return
        times = np.linspace(0.0, 1.0, count) if count > 1 else np.ones(1)
        meshes = tuple(morph.at_resolution(PREVIEW_RESOLUTION).frames(times.tolist()))
        self._revision += 1
        if all(mesh.same_faces(request.source) for mesh in meshes):
            vertices = np.stack([_relative_to(request.source, mesh) for mesh in meshes])  # [P, V, 3]
            preview = Preview(self._job, self._revision, times, vertices)
        else:
            preview = Preview(self._job, self._revision, times, np.zeros((count, 0, 3), np.float32), meshes)
        write_parts(self._folder / preview_name(self._revision), wire.encode(preview))
        self._drop_preview(self._revision - 1)
        self._outbox.send(PreviewMade(self._job, self._revision))

    def _drop_preview(self, revision: int) -> None:
        with contextlib.suppress(OSError):  # being read by the server (Windows)
            (self._folder / preview_name(revision)).unlink()


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


def _encoded(frame: Frame, resolution: int) -> list[bytes | memoryview]:
    """The frame as it travels; ``WireError`` says what to change where it is beyond the limits."""
    try:
        check_frame(frame, LIMITS, f"frame {frame.seq}")
        return wire.encode(frame)
    except WireError as error:
        if error.code != "too-large" or frame.face_offsets is None:
            raise
        raise WireError(
            error.code,
            f"frame {frame.seq} has {len(frame.vertices)} vertices and {len(frame.face_offsets) - 1} faces, more "
            f"than can be sent; use a lower resolution than {resolution}",
        ) from error


def _relative_to(source: MeshData, mesh: MeshData) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Vertices [V, 3] in the source's origin and scale."""
    if mesh.scale == source.scale and np.array_equal(mesh.origin, source.origin):
        return mesh.vertices
    return source.with_positions(mesh.positions()).vertices
