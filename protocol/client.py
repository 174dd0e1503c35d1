"""``Client``: jobs over a ``Link``: submit, bake, cancel; their streams in order, without gaps, after every loss."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import zmq

from protocol.endpoint import CurveKeys, Endpoint
from protocol.flow_control import ReceiveWindow
from protocol.link import Link, LinkState, Times
from protocol.messages import (
    Bake,
    Cancel,
    Credit,
    Error,
    Finish,
    Finished,
    First,
    Frame,
    Gone,
    JobState,
    Match,
    Matched,
    MatchRequest,
    Message,
    MorphRequest,
    Pong,
    PreviewSeen,
    Reconstruct,
    ReconstructRequest,
    Refine,
    RefineRequest,
    Resume,
    Shutdown,
    Submit,
    Surface,
    SurfaceRequest,
    Timeline,
    Welcome,
)
from protocol.states import is_terminal
from protocol.version import unknown_to
from protocol.wire import encode

Request = MorphRequest | MatchRequest | SurfaceRequest | ReconstructRequest  # what stands for itself


@dataclass
class _Job:
    """A job that this client follows."""

    window: ReceiveWindow
    first: First | None  # kept until the backend has it
    total: int = 0  # frames, as far as known
    cancelled: bool = False  # asked for
    finished: bool = False  # the end of its training was asked for
    heard: float = 0.0  # when something of it last came, or was last asked for; monotonic seconds
    asked: float = 0.0  # when it was last asked for
    offered: bool = False  # ``first`` was sent, and the backend has not been asked for it since


class Client:
    """The add-on's and the command line's way to the backend. Never waits except in ``poll`` with a timeout.

    Frames arrive in order and once. At most ``credit`` of them are on the way or handed out; ``taken`` frees them.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        app: str,
        *,
        session: str | None = None,
        credit: int = 4,
        keys: CurveKeys | None = None,
        find: Callable[[], Endpoint] | None = None,
        times: Times | None = None,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        """``find`` is asked for the endpoint before connecting again: a restarted backend has a new connection file.

        ``session`` is this client's own id; ``keys`` its CURVE keys; a ``context`` given here is not terminated.
        """
        ReceiveWindow(credit)  # refuses a credit out of range before anything is opened
        self.session = session or secrets.token_hex(16)
        self._credit = credit
        self._jobs: dict[str, _Job] = {}
        self._own: list[Message] = []  # what this side itself has to say
        self._times = times or Times()
        self._context = context or zmq.Context()
        self._owns_context = context is None
        try:
            self._link = Link(self._context, endpoint, app, self.session, keys=keys, find=find, times=self._times)
        except BaseException:
            if self._owns_context:
                self._context.term()
            raise

    @property
    def state(self) -> LinkState:
        return self._link.state

    @property
    def reason(self) -> str:
        """Why the state is ``lost`` or ``refused``, in plain words."""
        return self._link.reason

    @property
    def welcome(self) -> Welcome | None:
        """What the backend said of itself at the last handshake."""
        return self._link.welcome

    @property
    def jobs(self) -> tuple[str, ...]:
        """The jobs that are followed: submitted and not yet at their end."""
        return tuple(self._jobs)

    def submit(self, request: Request, job: str | None = None) -> str:
        """Starts a morph, a match, a surface or a shape from an image, now or as soon as the backend is there.

        Raises ``WireError`` for what cannot travel. A backend that is too old for it is told by an ``Error`` that
        ``poll`` gives.
        """
        job = job or str(uuid.uuid4())
        self._follow(job, _first(job, request))
        return job

    def bake(self, base: str, timeline: Timeline, job: str | None = None) -> str:
        """Bakes the morph of the finished job ``base`` again."""
        job = job or str(uuid.uuid4())
        self._follow(job, Bake(job, base, timeline))
        return job

    def refine(self, base: str, request: RefineRequest, job: str | None = None) -> str:
        """Draws a frame of the morph of the finished job ``base`` towards outlines. Raises as ``submit``."""
        job = job or str(uuid.uuid4())
        self._follow(job, Refine(job, base, request))
        return job

    def resume(self, job: str, next_seq: int = 0) -> None:
        """Follows a job that another client started, from frame ``next_seq`` on."""
        self._jobs[job] = _Job(ReceiveWindow(self._credit, next_seq), None, heard=time.monotonic())
        self._ask(job)

    def cancel(self, job: str) -> None:
        if job in self._jobs:
            self._jobs[job].cancelled = True
        self._send(Cancel(job))

    def finish(self, job: str) -> None:
        """Asks for the end of the training; the frames of the best so far follow."""
        if job in self._jobs:
            self._jobs[job].finished = True
        self._send(Finish(job))

    def taken(self, job: str, frames: int = 1) -> None:
        """Says that frames were taken in, so that as many more may come."""
        followed = self._jobs.get(job)
        grant = followed.window.taken(frames) if followed else 0
        if grant:
            self._send(Credit(job, grant))

    def preview_seen(self, job: str, revision: int) -> None:
        """Says that a preview was taken in, so that the next one may come."""
        self._send(PreviewSeen(job, revision))

    def shutdown(self) -> None:
        """Asks the backend to end."""
        self._send(Shutdown())

    def poll(self, timeout: float = 0.0, *, max_messages: int = 64, budget: float | None = None) -> list[Message]:
        """What arrived, waiting at most ``timeout`` seconds for the first of it.

        Takes in at most ``max_messages``, and none after ``budget`` seconds of work; the rest stays for the next call.
        Handshake, heartbeat, connecting again, closing of gaps and resuming happen here, so call it often.
        """
        started = time.monotonic()
        away = self._link.pause()
        for followed in self._jobs.values():
            followed.heard += away
        messages, self._own = self._own, []
        count = 0
        while count < max_messages and (budget is None or time.monotonic() - started <= budget):
            wait = 0.0 if messages else max(started + timeout - time.monotonic(), 0.0)
            received = self._link.receive(min(wait, 0.1))
            if received is not None:
                count += 1
                messages.extend(self._take(received))
            elif wait <= 0.1:
                break
        self._link.pause()
        self._ask_for_stalled()
        messages.extend(self._own)
        self._own = []
        return messages

    def close(self, linger: float = 0.0) -> None:
        """Ends the connection; jobs go on in the backend. At once, or after at most ``linger`` seconds of sending."""
        self._link.close(linger)
        self._jobs.clear()
        if self._owns_context:
            self._context.term()

    def _send(self, message: Message) -> None:
        """Sends if connected. What is lost otherwise is said again after the next handshake, where it still matters."""
        if self._link.state == "ready":
            self._link.send(encode(message))

    def _follow(self, job: str, first: First) -> None:
        encode(first)  # refuses here and now what could never be sent
        self._jobs[job] = _Job(ReceiveWindow(self._credit), first, heard=time.monotonic())
        if self._link.state == "ready":
            self._offer(job)

    def _offer(self, job: str) -> None:
        """Sends the job itself, unless the backend is too old to know what is meant."""
        followed = self._jobs[job]
        if followed.first is not None:
            unknown = unknown_to(self._link.welcome.protocol, followed.first) if self._link.welcome else ""
            if unknown:
                told = f"the backend is older than this program and does not know {unknown}: update the backend"
                self._own.append(Error("too-old", told, job=job))
                del self._jobs[job]
                return
            followed.offered = True
            self._send(followed.first)
            self._grant(job)

    def _ask(self, job: str) -> None:
        """Takes the job's stream up where it ended here."""
        followed = self._jobs[job]
        followed.asked = time.monotonic()
        followed.offered = False
        self._send(Resume(job, followed.window.next_seq))
        self._grant(job)

    def _grant(self, job: str) -> None:
        followed = self._jobs[job]
        followed.heard = time.monotonic()
        frames = followed.window.restart()
        if frames:
            self._send(Credit(job, frames))
        if followed.finished:
            self._send(Finish(job))
        if followed.cancelled:
            self._send(Cancel(job))

    def _take(self, message: Message) -> Iterator[Message]:
        """What of a message the caller shall see."""
        if isinstance(message, Pong):
            return
        if isinstance(message, Welcome):
            for job, followed in list(self._jobs.items()):
                # What was sent before may have arrived: asking is cheaper than sending two meshes again.
                if followed.first is None or followed.offered:
                    self._ask(job)
                else:
                    self._offer(job)
        job = getattr(message, "job", "")
        followed_job = self._jobs.get(job)
        if followed_job is None:
            if not isinstance(message, Frame | Finished | Matched):
                yield message
            return
        if self._take_of_job(job, followed_job, message):
            yield message

    def _take_of_job(self, job: str, followed: _Job, message: Message) -> bool:
        """Keeps the books of a job. Returns whether the caller shall see the message."""
        now = time.monotonic()
        refused = followed.first is not None and isinstance(message, Error)
        if not isinstance(message, Error | Gone):
            followed.first = None  # the backend has it
        if isinstance(message, Frame):
            followed.total = message.total
            arrival = followed.window.arrive(message.seq)
            if arrival == "gap" and now - followed.asked > self._times.ask_again:
                self._ask(job)
            if arrival == "next":
                followed.heard = now
            return arrival == "next"
        if isinstance(message, Finished) and followed.window.next_seq < followed.total:
            if now - followed.asked > self._times.ask_again:
                self._ask(job)
            return False
        if isinstance(message, Gone) and followed.first is not None:
            if not followed.offered:  # else it answers what was sent before the job itself arrived
                self._offer(job)
            return False
        followed.heard = now
        ended = isinstance(message, Finished | Matched | Gone)
        if isinstance(message, JobState):
            followed.total = max(followed.total, message.total_frames)
            ended = is_terminal(message.state) and message.state != "done"
        if isinstance(message, Error):
            # A refused submission makes no job, and an answer that cannot be read now cannot be read later either.
            ended = refused or message.code == "bad-answer"
        if ended:
            del self._jobs[job]
        return True

    def _ask_for_stalled(self) -> None:
        """Asks for jobs that nothing was heard of for long, unless it is the caller who holds all frames."""
        if self._link.state != "ready":
            return
        now = time.monotonic()
        for job, followed in self._jobs.items():
            waiting = followed.window.expected > 0 or followed.window.next_seq >= followed.total
            if waiting and now - followed.heard > self._times.stall:
                self._ask(job)


def _first(job: str, request: Request) -> First:
    """The message that starts a job for a request."""
    if isinstance(request, MatchRequest):
        return Match(job, request)
    if isinstance(request, ReconstructRequest):
        return Reconstruct(job, request)
    return Surface(job, request) if isinstance(request, SurfaceRequest) else Submit(job, request)
