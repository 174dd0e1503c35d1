"""A small real backend: a ROUTER that keeps the protocol and streams frames filled with their own number.

A thread, or a process (``python -m tests.protocol.small_backend FILE FRAMES``) that can be killed or stopped.
"""

from __future__ import annotations

import secrets
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import zmq

from protocol.endpoint import CurveServer, bind_router, write_connection_file
from protocol.flow_control import SendWindow
from protocol.messages import (
    PROTOCOL,
    Cancel,
    Credit,
    Error,
    Finish,
    Finished,
    First,
    Frame,
    Gone,
    Hello,
    JobState,
    Match,
    Message,
    Ping,
    Pong,
    Refused,
    Resume,
    Submit,
    Welcome,
)
from protocol.states import State, is_terminal, on_cancel
from protocol.version import negotiate
from protocol.wire import WireError, decode, encode
from tests.protocol.samples import matched, method, surface_methods


@dataclass
class SmallJob:
    identity: bytes
    total: int
    window: SendWindow = field(default_factory=SendWindow)
    state: State = "done"
    finished: bool = False
    match: bool = False  # no frames, and another end


class SmallBackend(threading.Thread):
    """Accepts everything it can read; ``seen`` keeps all messages that came in."""

    def __init__(
        self,
        *,
        frames: int = 6,
        vertices: int = 10,
        curve: CurveServer | None = None,
        hwm: int = 1000,
        version: tuple[int, int] = PROTOCOL,
        hold: bool = False,
        silent: bool = False,
    ) -> None:
        super().__init__(daemon=True)
        self.frames, self.vertices, self.version = frames, vertices, version
        self.hold = hold  # jobs stay queued
        self.silent = silent  # takes everything in and answers nothing
        self.seen: list[Message] = []
        self.refused: list[WireError] = []
        self.most_credit = 0
        self.jobs: dict[str, SmallJob] = {}
        self._hellos: set[bytes] = set()
        self._ending = threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._context.sndhwm = self._context.rcvhwm = hwm
        self._socket, self.endpoint = bind_router(self._context, curve=curve)
        self._session = self.endpoint.session

    def __enter__(self) -> SmallBackend:
        self.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._ending.set()
        self.join(10)
        self._socket.close(linger=0)
        self._context.term()

    def run(self) -> None:
        while not self._ending.is_set():
            if self._socket.poll(5):
                identity, *parts = self._socket.recv_multipart(copy=False)
                self._receive(identity.bytes, parts)
            self._stream()

    def submissions(self) -> list[Submit]:
        return [message for message in self.seen if isinstance(message, Submit)]

    def _send(self, identity: bytes, message: Message) -> bool:
        if self.silent:
            return True
        try:
            self._socket.send_multipart([identity, *encode(message)], zmq.NOBLOCK, copy=False)
        except zmq.ZMQError as problem:
            if problem.errno not in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                raise
            return False
        return True

    def _receive(self, identity: bytes, parts: list[zmq.Frame]) -> None:
        try:
            message = decode(parts)
        except WireError as problem:
            self.refused.append(problem)
            self._send(identity, Error(problem.code, problem.message, job=problem.job))
            return
        self.seen.append(message)
        if isinstance(message, Hello):
            self._greet(identity, message)
        elif identity not in self._hellos:
            self._send(identity, Error("hello-first", "say hello first"))
        elif isinstance(message, Ping):
            self._send(identity, Pong(message.nonce, self._session))
        elif isinstance(message, First):
            state: State = "queued" if self.hold else "done"
            match = isinstance(message, Match)
            new = SmallJob(identity, 0 if match else self.frames, state=state, match=match)
            job = self.jobs.setdefault(message.job, new)
            self._attach(message.job, job, identity, 0)
        elif isinstance(message, Resume | Cancel | Finish | Credit):
            self._job_message(identity, message)

    def _greet(self, identity: bytes, hello: Hello) -> None:
        spoken = negotiate(hello.protocol, self.version)
        if spoken is None:
            reason = f"the add-on speaks protocol {hello.protocol[0]}, this backend {self.version[0]}"
            self._send(identity, Refused(reason, self.version))
        elif not secrets.compare_digest(hello.token, self.endpoint.token):
            self._send(identity, Refused("the token is not that of the connection file", self.version))
        else:
            self._hellos.add(identity)
            surfaces = surface_methods() if spoken >= (1, 3) else None
            self._send(identity, Welcome(spoken, "small", self._session, (method(),), ("cpu",), {}, surfaces))

    def _job_message(self, identity: bytes, message: Resume | Cancel | Finish | Credit) -> None:
        job = self.jobs.get(message.job)
        if job is None:
            if not isinstance(message, Credit):
                self._send(identity, Gone(message.job))
        elif isinstance(message, Resume):
            self._attach(message.job, job, identity, message.next_seq)
        elif isinstance(message, Credit):
            job.window.grant(message.frames)
            self.most_credit = max(self.most_credit, job.window.credit)
        else:
            job.state = job.state if isinstance(message, Finish) else on_cancel(job.state)
            self._send(identity, JobState(message.job, job.state, job.total))

    def _attach(self, name: str, job: SmallJob, identity: bytes, next_seq: int) -> None:
        job.identity, job.finished = identity, False
        job.window.resume(next_seq)
        self._send(identity, JobState(name, job.state, job.total))

    def _stream(self) -> None:
        for name, job in self.jobs.items():
            while job.state == "done" and job.window.may_send(job.total):
                if not self._send(job.identity, frame(name, job.window.next_seq, job.total, self.vertices)):
                    break
                job.window.sent()
            if is_terminal(job.state) and job.state == "done" and job.window.next_seq >= job.total and not job.finished:
                end = replace(matched(), job=name) if job.match else Finished(name, {"seed": 0}, np.zeros(4, np.uint8))
                job.finished = self._send(job.identity, end)


def frame(job: str, seq: int, total: int, vertices: int = 10) -> Frame:
    """Frame ``seq``: every coordinate is its number."""
    time_of = seq / max(total - 1, 1)
    return Frame(job, seq, total, time_of, np.full((vertices, 3), seq, np.float32), np.zeros(3), 1.0)


def main(file: str, frames: str) -> None:
    with SmallBackend(frames=int(frames)) as backend:
        write_connection_file(Path(file), backend.endpoint)
        while True:
            time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
