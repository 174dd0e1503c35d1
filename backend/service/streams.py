"""What one client is to be sent, and in which order: answers first, then progress, previews, and frames by credit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import zmq

from backend.service.journal import JobRecord, Journal
from backend.service.parts_file import Buffer
from protocol import wire
from protocol.flow_control import SendWindow
from protocol.messages import Error, Gone, JobState, Progress, ServerMessage
from protocol.states import is_terminal

PROGRESS_SECONDS: Final = 0.1  # between two Progress messages of a job
MAX_WAITING: Final = 1000  # answers a client may leave unread before its connection is given up

Send = Callable[[Sequence[Buffer]], bool]  # False: the socket's queue for this client is full


class ClientGone(Exception):
    """The client's connection does not exist any more, or it reads nothing."""


@dataclass
class Stream:
    """One job as one client follows it."""

    job: str
    window: SendWindow = field(default_factory=SendWindow)
    available: int = 0  # frames in the journal
    progress: Progress | None = None  # the latest, if it has not been sent
    progress_at: float = 0.0
    preview: int = 0  # revision of the newest preview; 0: none
    preview_sent: int = 0
    preview_open: bool = False  # a preview is on its way or not yet taken in
    finished_sent: bool = False

    def resume(self, next_seq: int) -> None:
        """The client starts again: nothing that was on its way counts."""
        self.window.resume(next_seq)
        self.preview_open = self.finished_sent = False


class ClientStreams:
    """All streams of one client session, and the answers that wait to be sent to it."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._answers: deque[Sequence[Buffer]] = deque()
        self._streams: dict[str, Stream] = {}
        self._turn: deque[str] = deque()  # whose frame is next

    def answer(self, message: ServerMessage) -> None:
        """Queues a message that must arrive."""
        if len(self._answers) >= MAX_WAITING:
            raise ClientGone
        self._answers.append(wire.encode(message))

    def follow(self, job: str) -> Stream:
        """The stream of a job, begun if there is none."""
        if job not in self._streams:
            self._streams[job] = Stream(job)
            self._turn.append(job)
        return self._streams[job]

    def forget(self, job: str) -> None:
        """Ends a stream."""
        if self._streams.pop(job, None) is not None:
            self._turn.remove(job)

    def pending(self) -> bool:
        """Whether there is something that could be sent."""
        return bool(self._answers) or any(
            stream.progress is not None
            or (stream.preview > stream.preview_sent and not stream.preview_open)
            or stream.window.may_send(stream.available)
            or self._ended(stream)
            for stream in self._streams.values()
        )

    def get(self, job: str) -> Stream | None:
        return self._streams.get(job)

    def open_jobs(self) -> set[str]:
        """Jobs of which something has still to be sent."""
        return {job for job, stream in self._streams.items() if not stream.finished_sent}

    def tell_state(self, record: JobRecord) -> None:
        """Queues the state of a job, and before it the reason if it failed."""
        if record.failure is not None:
            failure = record.failure
            self.answer(Error(failure.code, failure.message, failure.detail, failure.retryable, record.job))
        self.answer(JobState(record.job, record.state, record.total_frames))
        stream = self._streams.get(record.job)
        if stream is not None and is_terminal(record.state):
            stream.progress = None
            stream.preview, stream.preview_open = stream.preview_sent, False  # a preview has no place after the end
            if record.state != "done":
                self.forget(record.job)

    def flush(self, send: Send, now: float) -> bool:
        """Sends what may be sent, at most one frame; True if there is more to send at once."""
        while self._answers:
            if not send(self._answers[0]):
                return False
            self._answers.popleft()
        for stream in list(self._streams.values()):
            if not self._flush_small(stream, send, now):
                return False
        return self._flush_frame(send)

    def _flush_small(self, stream: Stream, send: Send, now: float) -> bool:
        if stream.progress is not None and now - stream.progress_at >= PROGRESS_SECONDS:
            if not send(wire.encode(stream.progress)):
                return False
            stream.progress, stream.progress_at = None, now
        if stream.preview > stream.preview_sent and not any(s.preview_open for s in self._streams.values()):
            revision = stream.preview
            try:
                parts = self._journal.preview(stream.job, revision)
            except (OSError, ValueError):  # a newer one has just taken its place, or the training has ended
                return True
            if not send(parts):
                return False
            stream.preview_open, stream.preview_sent = True, revision
        return True

    def _flush_frame(self, send: Send) -> bool:
        """One frame (or the end) of the next stream that has credit."""
        for job in list(self._turn):
            stream = self._streams[job]
            frame = stream.window.may_send(stream.available)
            if not frame and not self._ended(stream):
                continue
            parts = self._read(stream, stream.window.next_seq if frame else None)
            if parts is None:
                continue
            if not send(parts):
                return False
            if frame:
                stream.window.sent()
            else:
                stream.finished_sent = True
            self._turn.remove(job)
            self._turn.append(job)
            return True
        return False

    def _ended(self, stream: Stream) -> bool:
        record = self._journal.records.get(stream.job)
        complete = record is not None and record.state == "done" and stream.window.next_seq >= record.total_frames
        return complete and not stream.finished_sent

    def _read(self, stream: Stream, seq: int | None) -> list[memoryview] | None:
        """A frame or the end out of the journal; None (and Gone for the client) if its file is lost or broken."""
        try:
            return self._journal.finished(stream.job) if seq is None else self._journal.frame(stream.job, seq)
        except (OSError, ValueError):
            self._journal.remove(stream.job)
            self.answer(Gone(stream.job))
            self.forget(stream.job)
            return None


def send_parts(socket: zmq.Socket[bytes], identity: bytes, parts: Sequence[Buffer]) -> bool:
    """Sends a message to a client without waiting; large frames go out of the buffer they are in."""
    try:
        socket.send_multipart([identity, *parts], flags=zmq.DONTWAIT, copy=False)
    except zmq.Again:
        return False
    except zmq.ZMQError as error:
        if error.errno == zmq.EHOSTUNREACH:
            raise ClientGone from None
        raise
    return True
