"""A job through a running backend: submit, show progress, take the frames in as they come, grant credit for more."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from backend import __version__
from backend.commands.interrupt import Interrupt
from backend.commands.parser import CommandError
from backend.commands.progress import Progress
from backend.commands.result import ResultFolder
from protocol.client import Client
from protocol.endpoint import Endpoint
from protocol.mesh import MeshData
from protocol.messages import Error, Finished, Frame, Gone, JobState, MorphRequest, Preview, Welcome
from protocol.messages import Progress as ProgressMessage

CONNECT_SECONDS: Final = 30.0
SILENCE_SECONDS: Final = 120.0  # a lost backend is given up after this long
CANCEL_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, eq=False)
class RemoteResult:
    """The end of a job: its report and the trained morph as bytes of a safetensors file."""

    report: dict[str, Any]
    morph: bytes
    first_progress: float | None  # seconds from the submission to the first progress message
    first_preview: float | None  # and to the first preview


def connect(endpoint: Endpoint, wait: Callable[[], None] = lambda: None, credit: int = 4) -> Client:
    """A client whose backend has said welcome. ``wait`` is called while it has not, and may raise."""
    client = Client(endpoint, f"tweenfield-cli {__version__}", credit=credit)
    deadline = time.monotonic() + CONNECT_SECONDS
    try:
        while time.monotonic() < deadline:
            for message in client.poll(POLL_SECONDS):
                if isinstance(message, Welcome):
                    return client
            if client.state == "refused":
                raise CommandError(f"the backend refused the connection: {client.reason}")
            wait()
    except BaseException:
        client.close()
        raise
    client.close()
    raise CommandError(
        "the backend does not answer; check that it runs, and that the connection file is the one it printed"
    )


def run_job(
    client: Client, request: MorphRequest, result: ResultFolder, progress: Progress, interrupt: Interrupt
) -> RemoteResult:
    """Runs a job and writes its frames.

    Ctrl-C during the training keeps the best so far, and afterwards it changes nothing. Before it, or when pressed
    again, it cancels the job and raises ``KeyboardInterrupt``.
    """
    with interrupt.orderly():
        receiver = _Receiver(client, client.submit(request), request, result, progress)
        heard = time.monotonic()
        while not receiver.complete:
            for message in client.poll(POLL_SECONDS):
                receiver.take(message)
            if client.state == "ready":
                heard = time.monotonic()
            if interrupt.asked_again or (interrupt.asked and not receiver.trained):
                receiver.cancel()
                raise KeyboardInterrupt
            if interrupt.asked:
                receiver.finish()
            if time.monotonic() - heard > SILENCE_SECONDS:
                raise CommandError("the backend was lost and did not come back; start it again and repeat the command")
    return receiver.outcome()


class _Receiver:
    """Takes in the messages of one job."""

    def __init__(
        self, client: Client, job: str, request: MorphRequest, result: ResultFolder, progress: Progress
    ) -> None:
        self._client = client
        self._job = job
        self._request = request
        self._result = result
        self._progress = progress
        self._submitted = time.monotonic()
        self._first_progress: float | None = None
        self._first_preview: float | None = None
        self._finished: Finished | None = None
        self._hurried = False
        self.trained = False  # whether there is something to keep

    @property
    def complete(self) -> bool:
        return self._finished is not None and self._result.written == self._request.timeline.frames

    def outcome(self) -> RemoteResult:
        assert self._finished is not None
        return RemoteResult(
            dict(self._finished.report), self._finished.morph.tobytes(), self._first_progress, self._first_preview
        )

    def take(self, message: object) -> None:
        if getattr(message, "job", self._job) != self._job:
            return
        elapsed = time.monotonic() - self._submitted
        if isinstance(message, ProgressMessage):
            self._first_progress = self._first_progress or elapsed
            self.trained = self.trained or (message.loss is not None and message.step > 0)
            if self._result.written == 0:
                self._progress(message.phase, message.step, message.total, message.loss, message.seconds_left)
        elif isinstance(message, Preview):
            self._first_preview = self._first_preview or elapsed
            self._client.preview_seen(self._job, message.revision)
        elif isinstance(message, Frame):
            self._take_frame(message)
        elif isinstance(message, Finished):
            self._finished = message
        elif isinstance(message, Error):
            raise CommandError(message.message)
        elif isinstance(message, Gone):
            raise CommandError("the backend was restarted and does not know the job any more; repeat the command")
        elif isinstance(message, JobState) and message.state == "cancelled":
            raise CommandError("the job was cancelled at the backend; repeat the command")

    def _take_frame(self, frame: Frame) -> None:
        self.trained = True
        self._result.add(frame.time, mesh_of(frame, self._request.source), carried_of(frame, self._request.carry))
        self._client.taken(self._job)
        self._progress("receiving", self._result.written, frame.total)

    def finish(self) -> None:
        """Asks once for the end of the training. Where that is over, what is left to do is said instead."""
        if self._hurried:
            return
        self._hurried = True
        if self._result.written:
            left = self._request.timeline.frames - self._result.written
            self._progress.note(f"a backend makes all frames, {left} are to come (Ctrl-C again: cancel, keep nothing)")
        else:
            self._client.finish(self._job)

    def cancel(self) -> None:
        """Cancels the job, and waits shortly for the backend to say so."""
        self._client.cancel(self._job)
        deadline = time.monotonic() + CANCEL_SECONDS
        while time.monotonic() < deadline:
            for message in self._client.poll(POLL_SECONDS):
                if isinstance(message, JobState) and message.state in ("cancelled", "done", "failed"):
                    return


def mesh_of(frame: Frame, source: MeshData) -> MeshData:
    """The mesh of a frame: the source's faces and attributes unless it brings its own faces."""
    if frame.face_offsets is None or frame.face_indices is None:
        return replace(source, vertices=frame.vertices, origin=frame.origin, scale=frame.scale)
    return MeshData(frame.vertices, frame.face_offsets, frame.face_indices, frame.origin, frame.scale, frame.attributes)


def carried_of(frame: Frame, carry: tuple[MeshData, ...]) -> tuple[MeshData, ...]:
    """The carried objects at the time of a frame."""
    return tuple(replace(mesh, vertices=points) for mesh, points in zip(carry, frame.carried, strict=True))
