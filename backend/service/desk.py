"""The desk where clients are served: who they are, what they ask, what they are told of their jobs."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import zmq

from backend.service.admission import admitted, kind_of
from backend.service.catalogue import Catalogue
from backend.service.faults import failure_of
from backend.service.journal import JobRecord, Journal
from backend.service.scheduler import Scheduler
from backend.service.streams import ClientGone, ClientStreams, send_parts
from protocol import wire
from protocol.endpoint import Endpoint
from protocol.limits import WireError
from protocol.messages import (
    PROTOCOL,
    Cancel,
    Credit,
    Error,
    Finish,
    First,
    Gone,
    Hello,
    Message,
    Ping,
    Pong,
    PreviewSeen,
    Progress,
    Refused,
    Resume,
    ServerMessage,
    Shutdown,
    Submit,
)
from protocol.states import is_terminal
from protocol.version import negotiate

SILENT: Final = 6.0  # seconds without a word of a client, until nothing more is sent to it
FORGET: Final = 600.0  # seconds, until it is forgotten
MAX_CLIENTS: Final = 256
MAX_SESSION: Final = 128  # characters
# kind of job -> the minor version that brought it
SINCE: Final = {"morph": 0, "match": 2, "surface": 3, "refine": 4, "reconstruct": 4}
HELLO_FIRST: Final = Error("hello-first", "this connection has not said Hello; connect again", retryable=True)


@dataclass(eq=False)
class _Client:
    """One client session; the same after a reconnect, on another connection."""

    session: str
    identity: bytes | None  # of its connection; None: it has none
    minor: int
    heard: float
    told: float
    streams: ClientStreams
    welcomed: bool = False

    def knows(self, kind: str) -> bool:
        """Whether its version has jobs of this kind."""
        return self.minor >= SINCE[kind]


class Desk:
    """Every client. Tells the scheduler what is wanted, and listens to it."""

    scheduler: Scheduler  # set right after both are made

    def __init__(self, router: zmq.Socket[bytes], endpoint: Endpoint, journal: Journal, catalogue: Catalogue) -> None:
        self._router = router
        self._token = endpoint.token
        self._session = endpoint.session
        self._journal = journal
        self._catalogue = catalogue
        self._clients: dict[str, _Client] = {}
        self._by_identity: dict[bytes, _Client] = {}
        self._made: dict[str, int] = {}  # frames in the journal, of jobs that are not done
        self.shutdown = False

    def handle(self, identity: bytes, parts: Sequence[zmq.Frame]) -> None:
        """Takes in one message of a client."""
        client = self._by_identity.get(identity)
        if client is None and len(parts) != 1:  # nothing large is looked at before a Hello
            self._send_now(identity, HELLO_FIRST)
            return
        try:
            message = wire.decode(parts)
        except WireError as error:
            refusal = Error(error.code, error.message, job=error.job)
            if client is None:
                self._send_now(identity, refusal)
            else:
                client.heard = time.monotonic()
                self._answer(client, refusal)
            return
        if isinstance(message, Hello):
            self._greet(identity, message)
        elif client is None:
            self._send_now(identity, HELLO_FIRST)
        else:
            client.heard = time.monotonic()
            self._serve(client, message, parts)

    def apologise(self, identity: bytes, error: Exception) -> None:
        """Tells a client that its message met a fault of the server."""
        failure = failure_of(error)
        self._send_now(identity, Error(failure.code, failure.message, failure.detail))

    def busy(self) -> bool:
        """Whether some client that listens has something to be sent."""
        now = time.monotonic()
        return any(self._listens(client, now) and client.streams.pending() for client in self._clients.values())

    def flush(self, now: float) -> bool:
        """Sends to every client what it may be sent now; True if there is more."""
        more = False
        for client in list(self._clients.values()):
            if now - client.heard > FORGET:
                self._disconnect(client)
                del self._clients[client.session]
            elif client.identity is not None and self._listens(client, now):
                send = partial(send_parts, self._router, client.identity)
                try:
                    more |= client.streams.flush(send, now)
                except ClientGone:
                    self._disconnect(client)
            elif client.identity is not None and not client.welcomed and now - client.told > 1.0:
                client.told = now  # it waits for its Welcome, and shall not take this backend for dead
                self._send_now(client.identity, Pong(0, self._session))
        return more

    # what the scheduler tells ---------------------------------------------------------------------------------------

    def job_changed(self, record: JobRecord) -> None:
        for client in self._following(record.job):
            with suppress(ClientGone):
                client.streams.tell_state(record)
        if is_terminal(record.state):
            self._made.pop(record.job, None)
            wanted = set().union(*(client.streams.open_jobs() for client in self._clients.values()))
            self._journal.prune(keep=wanted.union(self.scheduler.active()))

    def job_progress(self, progress: Progress) -> None:
        for client in self._following(progress.job):
            client.streams.follow(progress.job).progress = progress

    def job_frames(self, job: str, count: int) -> None:
        self._made[job] = count
        for client in self._following(job):
            client.streams.follow(job).available = count

    def job_preview(self, job: str, revision: int) -> None:
        for client in self._following(job):
            client.streams.follow(job).preview = revision

    def catalogue_known(self, catalogue: Sequence[bytes]) -> None:
        if self._catalogue.learn(catalogue):
            for client in self._clients.values():
                if client.identity is not None:
                    self._welcome(client)

    def no_worker(self, reason: str) -> None:
        """No worker can be started: clients that wait for the first one to tell what there is wait in vain."""
        for client in list(self._clients.values()):
            if client.identity is not None and not client.welcomed:
                said = (
                    f"the backend cannot compute: its worker process does not start ({reason}); run tweenfield doctor"
                )
                self._send_now(client.identity, Refused(said, PROTOCOL))
                self._disconnect(client)

    # clients --------------------------------------------------------------------------------------------------------

    def _greet(self, identity: bytes, hello: Hello) -> None:
        version = negotiate(hello.protocol)
        reason = ""
        if version is None:
            reason = (
                f"the backend speaks protocol {PROTOCOL[0]}.{PROTOCOL[1]}, {hello.app} speaks "
                f"{hello.protocol[0]}.{hello.protocol[1]}; update the older of the two"
            )
        elif not hmac.compare_digest(hello.token.encode(), self._token.encode()):
            reason = "the secret is not the one of the connection file; read the connection file again"
        elif not 1 <= len(hello.session) <= MAX_SESSION:
            reason = f"the client's session id must have 1 to {MAX_SESSION} characters"
        elif hello.session not in self._clients and not self._room():
            reason = f"the backend already serves {MAX_CLIENTS} clients; close one of them"
        if version is None or reason:
            self._send_now(identity, Refused(reason, PROTOCOL))
            return
        before = self._clients.get(hello.session)
        if before is not None:
            self._disconnect(before)
        now = time.monotonic()
        client = _Client(hello.session, identity, version[1], now, now, ClientStreams(self._journal))
        self._clients[hello.session] = self._by_identity[identity] = client
        self._welcome(client)

    def _room(self) -> bool:
        """Whether one more client fits, if need be in the place of the one that has been silent for longest."""
        if len(self._clients) < MAX_CLIENTS:
            return True
        silent = min(self._clients.values(), key=lambda client: client.heard)
        if time.monotonic() - silent.heard <= SILENT:
            return False
        self._disconnect(silent)
        del self._clients[silent.session]
        return True

    def _welcome(self, client: _Client) -> None:
        """Welcomes a client as soon as it is known what there is to offer."""
        welcome = self._catalogue.welcome(self._session, client.minor)
        if welcome is not None:
            client.welcomed = True
            self._answer(client, welcome)

    def _listens(self, client: _Client, now: float) -> bool:
        return client.identity is not None and client.welcomed and now - client.heard <= SILENT

    def _following(self, job: str) -> list[_Client]:
        """The connected clients that follow a job."""
        return [c for c in self._clients.values() if c.identity is not None and c.streams.get(job) is not None]

    def _disconnect(self, client: _Client) -> None:
        if client.identity is not None:
            self._by_identity.pop(client.identity, None)
            client.identity = None

    def _answer(self, client: _Client, message: ServerMessage) -> None:
        try:
            client.streams.answer(message)
        except ClientGone:
            self._disconnect(client)

    def _send_now(self, identity: bytes, message: ServerMessage) -> None:
        """To a connection that is no client (yet). What it does not take is lost."""
        with suppress(ClientGone):
            send_parts(self._router, identity, wire.encode(message))

    # requests -------------------------------------------------------------------------------------------------------

    def _serve(self, client: _Client, message: Message, parts: Sequence[zmq.Frame]) -> None:
        stream = client.streams.get(getattr(message, "job", ""))
        if isinstance(message, Ping):
            self._answer(client, Pong(message.nonce, self._session))
        elif isinstance(message, First) and client.knows(kind_of(message)):
            self._enter(client, message, [part.buffer for part in parts])
        elif isinstance(message, First):
            said = f"{type(message).__name__} is no message of protocol {PROTOCOL[0]}.{client.minor}"
            self._answer(client, Error("unknown-message", said, job=message.job))
        elif isinstance(message, Cancel):
            self._cancel(client, message.job)
        elif isinstance(message, Finish):
            self._finish(client, message.job)
        elif isinstance(message, Resume):
            self._resume(client, message.job, message.next_seq)
        elif isinstance(message, Credit):
            if stream is not None:
                stream.window.grant(message.frames)
        elif isinstance(message, PreviewSeen):
            if stream is not None and message.revision >= stream.preview_sent:
                stream.preview_open = False
        elif isinstance(message, Shutdown):
            self.shutdown = True
        else:
            name = type(message).__name__
            self._answer(client, Error("unknown-message", f"{name} is not a message that a client sends"))

    def _enter(self, client: _Client, message: First, parts: Sequence[memoryview]) -> None:
        """Enters a new job. The same job again is answered with its state; its stream starts anew."""
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        known = self._journal.records.get(message.job)
        if known is not None and known.digest == digest.hexdigest():
            self._resume(client, message.job, 0)
            return
        try:
            if known is not None:
                raise WireError("job-exists", f"job {message.job} exists with another content; use a new job id")
            waiting = len(self.scheduler.active())
            record = admitted(message, digest.hexdigest(), waiting, self._journal, self._catalogue)
            client.streams.follow(message.job).resume(0)
            if isinstance(message, Submit) and client.minor < 1:
                parts = self._as_it_knows(message)
            self.scheduler.submit(record, parts)
        except WireError as error:
            self._answer(client, Error(error.code, error.message, job=message.job))
        except OSError as error:
            client.streams.forget(message.job)
            failure = failure_of(error)
            self._answer(client, Error(failure.code, failure.message, failure.detail, failure.retryable, message.job))

    def _as_it_knows(self, submit: Submit) -> Sequence[memoryview]:
        """The submission of a client of version 1.0: faces stay where they can, and previews have no faces at all."""
        request = submit.request
        if "keep" in self._catalogue.method(request.method).topologies:
            request = replace(request, topology="keep")
        else:
            request = replace(request, preview_frames=0)
        return [memoryview(part) for part in wire.encode(replace(submit, request=request))]

    def _found(self, client: _Client, job: str) -> JobRecord | None:
        """The record of a job, for a client that could take in what it ends with."""
        record = self._journal.records.get(job)
        return record if record is None or client.knows(record.kind) else None

    def _resume(self, client: _Client, job: str, next_seq: int) -> None:
        record = self._found(client, job)
        if record is None:
            self._answer(client, Gone(job))
            return
        stream = client.streams.follow(job)
        stream.resume(next_seq)
        if record.state == "done":
            stream.available = record.total_frames
        else:
            stream.available = self._made.get(job, 0)
        with suppress(ClientGone):
            client.streams.tell_state(record)
        self.scheduler.revive(job)

    def _cancel(self, client: _Client, job: str) -> None:
        record = self._found(client, job)
        if record is None:
            self._answer(client, Gone(job))
            return
        follows = client.streams.get(job) is not None
        self.scheduler.cancel(job)
        after = self._journal.records[job]
        if after.state == record.state or not follows:
            with suppress(ClientGone):
                client.streams.tell_state(after)

    def _finish(self, client: _Client, job: str) -> None:
        if self._found(client, job) is None:
            self._answer(client, Gone(job))
            return
        self.scheduler.finish(job)
        with suppress(ClientGone):
            client.streams.tell_state(self._journal.records[job])
