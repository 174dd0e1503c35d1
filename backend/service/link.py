"""What server and worker process say to each other over the worker's standard input and output."""

from __future__ import annotations

import dataclasses
import struct
import threading
from dataclasses import dataclass
from typing import IO, Final

import msgpack

_LENGTH: Final = struct.Struct("<I")


# server -> worker ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Begin:
    """Runs the job whose request lies in ``folder``; ``base`` is that of the morph to bake or to refine, or empty.

    With ``hurry`` the time for training is over before it begins.
    """

    job: str
    folder: str
    base: str
    hurry: bool


@dataclass(frozen=True)
class Stop:
    """Cancels the job, if it is still the one that runs."""

    job: str


@dataclass(frozen=True)
class Hurry:
    """Ends the training of the job, if it is still the one that runs."""

    job: str


# worker -> server ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Beat:
    """The worker's own heartbeat, apart from the server's."""


@dataclass(frozen=True)
class Ready:
    """The worker can begin a job. ``catalogue`` is a Welcome message that tells methods and devices."""

    catalogue: list[bytes]


@dataclass(frozen=True)
class Step:
    """The fields of a Progress message; the latest wins."""

    job: str
    phase: str
    step: int
    total: int
    loss: float | None
    elapsed: float
    seconds_left: float | None


@dataclass(frozen=True)
class PreviewMade:
    """The preview ``revision`` lies in the job's folder."""

    job: str
    revision: int


@dataclass(frozen=True)
class FramesMade:
    """``count`` of ``total`` frames lie in the job's folder."""

    job: str
    count: int
    total: int


@dataclass(frozen=True)
class Ended:
    """The job is over; the error's fields are empty unless ``state`` is ``failed``."""

    job: str
    state: str  # done | failed | cancelled
    code: str = ""
    message: str = ""
    detail: str = ""
    retryable: bool = False


ToWorker = Begin | Stop | Hurry
FromWorker = Beat | Ready | Step | PreviewMade | FramesMade | Ended
_KINDS: Final = (Begin, Stop, Hurry, Beat, Ready, Step, PreviewMade, FramesMade, Ended)
_TYPES: Final = {kind.__name__: kind for kind in _KINDS}


def pack(message: ToWorker | FromWorker) -> bytes:
    """The message with its length in front."""
    # Not dataclasses.astuple, which would copy the catalogue deeply.
    values = [getattr(message, field.name) for field in dataclasses.fields(message)]
    body: bytes = msgpack.packb([type(message).__name__, *values])
    return _LENGTH.pack(len(body)) + body


def read(stream: IO[bytes]) -> ToWorker | FromWorker | None:
    """The next message; None when the other side has gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    size = _LENGTH.unpack(head)[0]
    body = stream.read(size)
    if len(body) < size:
        return None
    name, *values = msgpack.unpackb(body)
    message: ToWorker | FromWorker = _TYPES[name](*values)
    return message


class Outbox:
    """Sends to the server from a thread of its own, so that a stopped server never holds up a training.

    Steps replace one another and are at least ``STEP_SECONDS`` apart; a beat is sent every ``BEAT_SECONDS``.
    """

    BEAT_SECONDS: Final = 0.5
    STEP_SECONDS: Final = 0.05

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._waiting: list[FromWorker] = []
        self._step: Step | None = None
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="outbox", daemon=True).start()

    def send(self, message: FromWorker) -> None:
        """Queues a message; a ``Step`` replaces one that has not been sent yet."""
        with self._changed:
            if isinstance(message, Step):
                self._step = message
            else:
                if self._step is not None:
                    self._waiting.append(self._step)
                    self._step = None
                self._waiting.append(message)
            self._changed.notify()

    def _run(self) -> None:
        pause = threading.Event()
        try:
            while True:
                with self._changed:
                    if not self._waiting and self._step is None:
                        self._changed.wait(self.BEAT_SECONDS)
                    batch: list[FromWorker] = self._waiting
                    if self._step is not None:
                        batch.append(self._step)
                    self._waiting, self._step = [], None
                self._stream.write(b"".join(pack(message) for message in batch or [Beat()]))
                self._stream.flush()
                pause.wait(self.STEP_SECONDS)
        except (OSError, ValueError):
            return  # the server has gone; the reading thread ends this process
