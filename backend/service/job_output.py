"""What a job leaves in its folder and tells the server of, whatever it computes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from backend.service.journal import FINISHED, ORIGIN, REQUEST, frame_name, frames_there, preview_name
from backend.service.link import Begin, FramesMade, Outbox, PreviewMade, Step
from backend.service.parts_file import read_parts, write_parts
from backend.service.wishes import Wishes
from backend.training.run import Cancelled, Run
from protocol import wire
from protocol.checks import check_frame
from protocol.limits import LIMITS, WireError
from protocol.messages import Finished, Frame, Matched, Message, MorphRequest, Preview, Submit


class JobOutput:
    """The folder of one job and the way to the server."""

    def __init__(self, begin: Begin, wishes: Wishes, outbox: Outbox) -> None:
        self.job = begin.job
        self._folder = Path(begin.folder)
        self._wishes = wishes
        self._outbox = outbox
        self._started = time.monotonic()
        self._revision = 0

    def request(self) -> Message:
        """The message that started the job."""
        return wire.decode(read_parts(self._folder / REQUEST))

    def keep_origin(self, base: Path) -> None:
        """Keeps the submission that the morph of the job in ``base`` goes back to, for when that is deleted."""
        origin = self._folder / ORIGIN
        if not origin.exists():
            write_parts(origin, read_parts(_origin_in(base)))

    def submission(self) -> MorphRequest:
        """The request that the job's morph goes back to."""
        return submission_in(self._folder)

    def ended(self) -> bool:
        """Whether the training is over already: an earlier server was killed after it."""
        return (self._folder / FINISHED).exists()

    def finished(self) -> Finished:
        """What was kept at the end of the training."""
        return finished_in(self._folder)

    def keep(self, finished: Finished | Matched) -> None:
        """Keeps the end of the job."""
        write_parts(self._folder / FINISHED, wire.encode(finished))

    def check(self) -> None:
        """Raises ``Cancelled`` when the job is."""
        if self._wishes.stopped():
            raise Cancelled

    def stopped(self) -> bool:
        return self._wishes.stopped()

    def progress(self, phase: str, step: int, total: int, loss: float | None, seconds_left: float | None) -> None:
        elapsed = time.monotonic() - self._started
        plain = None if loss is None else float(loss)  # a method may give numpy's or torch's kind of number
        self._outbox.send(Step(self.job, phase, int(step), int(total), plain, elapsed, seconds_left))

    def follow_training(self, run: Run) -> None:
        """Lets the server hear of a training, and the training of a wish to end it now."""

        def step(phase: str, step: int, total: int, loss: float | None, seconds_left: float | None) -> None:
            if self._wishes.hurried():
                run.finish_now()
                run.facts["interrupted"] = "training"
            self.progress(phase, step, total, loss, seconds_left)

        run.on_progress = step

    def show(self, make: Callable[[int], Preview]) -> None:
        """Writes the preview that ``make`` makes of a revision's number in the place of the last."""
        self._revision += 1
        write_parts(self._folder / preview_name(self._revision), wire.encode(make(self._revision)))
        self._drop_preview(self._revision - 1)
        self._outbox.send(PreviewMade(self.job, self._revision))

    def drop_previews(self) -> None:
        self._drop_preview(self._revision)

    def frames_there(self, total: int) -> int:
        """How many of the frames an earlier server has left; the server hears of them."""
        there = frames_there(self._folder)
        self._outbox.send(FramesMade(self.job, there, total))
        return there

    def keep_frame(self, frame: Frame, resolution: int) -> None:
        """Keeps a frame, without telling the server yet."""
        write_parts(self._folder / frame_name(frame.seq), encoded_frame(frame, resolution))

    def put(self, frame: Frame, resolution: int) -> None:
        """Keeps a frame, which may be sent from then on."""
        self.keep_frame(frame, resolution)
        self._outbox.send(FramesMade(self.job, frame.seq + 1, frame.total))

    def _drop_preview(self, revision: int) -> None:
        with contextlib.suppress(OSError):  # being read by the server (Windows)
            (self._folder / preview_name(revision)).unlink()


def finished_in(folder: Path) -> Finished:
    """The Finished message in a job's folder."""
    finished = wire.decode(read_parts(folder / FINISHED))
    assert isinstance(finished, Finished)
    return finished


def submission_in(folder: Path) -> MorphRequest:
    """The request that the morph in a job's folder goes back to: its own, or that of the job which was refined."""
    submit = wire.decode(read_parts(_origin_in(folder)))
    assert isinstance(submit, Submit)
    return submit.request


def _origin_in(folder: Path) -> Path:
    origin = folder / ORIGIN
    return origin if origin.exists() else folder / REQUEST


def encoded_frame(frame: Frame, resolution: int) -> list[bytes | memoryview]:
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
