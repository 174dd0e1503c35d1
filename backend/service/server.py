"""The server: one ROUTER socket, every client and every job. It computes nothing itself and never loads torch."""

from __future__ import annotations

import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Final

import zmq

from backend.service.catalogue import Catalogue
from backend.service.desk import Desk
from backend.service.folders import connection_file as default_connection_file
from backend.service.folders import open_journal
from backend.service.inbox import Inbox
from backend.service.journal import JournalLimits
from backend.service.link import FromWorker
from backend.service.parent import Parent
from backend.service.pool import Pool
from backend.service.scheduler import Patience, Scheduler
from protocol.endpoint import CurveKeys, CurveServer, Endpoint, bind_router, write_connection_file

BUSY_TICK: Final = 0.03  # seconds; cancellation and progress are as fine as this
IDLE_TICK: Final = 0.2
BATCH: Final = 64  # messages taken in before anything is sent
FAREWELL: Final = 2.0  # seconds in which the last answers may still leave


@dataclass(frozen=True)
class ServerOptions:
    """How a server is set up. The defaults serve this machine alone."""

    address: str = "127.0.0.1"
    remote: bool = False  # listen on an address that is not loopback; needs ``curve``
    curve: CurveServer | None = None
    client_keys: CurveKeys | None = None  # of a client, for the connection file
    advertise: str = ""  # the host that clients are told
    parent_pid: int | None = None  # the server ends with this process
    journal: Path | None = None
    limits: JournalLimits = field(default_factory=JournalLimits)
    patience: Patience = field(default_factory=Patience)
    threads: int | None = None  # of each worker; None: half of the cores
    high_water_mark: int = 8  # messages to one client in ZeroMQ's hands; credit keeps far below


def serve(connection_file: Path | None = None, options: ServerOptions | None = None) -> int:
    """Serves until a signal, a Shutdown message or the parent's end. Prints the connection file's path."""
    options = options or ServerOptions()
    path = (connection_file or default_connection_file()).absolute()
    server = Server(options)
    try:
        with _signals(server):
            write_connection_file(path, server.endpoint)
            with suppress(OSError):  # nobody may be reading any more
                sys.stdout.write(f"{path}\n")
                sys.stdout.flush()
            server.run()
    finally:
        server.close()
        with suppress(OSError):
            path.unlink()
    return 0


class Server:
    """The loop between the clients' socket and the workers' links."""

    def __init__(self, options: ServerOptions) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._context.sndhwm = options.high_water_mark
        with ExitStack() as undo:
            undo.callback(self._context.term)
            self._router, endpoint = bind_router(
                self._context,
                options.address,
                curve=options.curve,
                remote=options.remote,
                advertise=options.advertise,
            )
            undo.callback(self._router.close, linger=0)
            self._journal = open_journal(options.journal, options.limits)
            undo.pop_all()
        keys = options.client_keys or CurveKeys("", "")
        self.endpoint: Endpoint = replace(endpoint, client_public=keys.public, client_secret=keys.secret)
        self._inbox: Inbox[tuple[int, FromWorker | None]] = Inbox(self._context)
        self._pool = Pool(self._journal.folder, options.threads, lambda number, said: self._inbox.put((number, said)))
        self._desk = Desk(self._router, endpoint, self._journal, Catalogue(self._journal.folder))
        self._scheduler = Scheduler(self._journal, self._pool, self._desk, options.patience)
        self._desk.scheduler = self._scheduler
        self._parent = None if options.parent_pid is None else Parent(options.parent_pid)
        self._stopped = False
        self._pool.start("auto")

    def stop(self) -> None:
        """Ends the loop. Running jobs stay in the journal and go on when their client asks a later server for them."""
        self._stopped = True

    def run(self) -> None:
        """The loop."""
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._inbox.socket, zmq.POLLIN)
        more, turned, watched = False, time.monotonic(), 0.0
        while not self._stopped and not self._desk.shutdown:
            ready = dict(poller.poll(0 if more else int(1000 * self._wait())))
            now = time.monotonic()
            if now - turned > 2.0:  # this process stood still, so nobody could be heard
                self._pool.forgive(now - turned)
            turned = now
            received = self._router in ready and self._receive()
            for number, said in self._inbox.take() if self._inbox.socket in ready else ():
                self._scheduler.on_worker(number, said)
            self._scheduler.tick(now)
            more = self._desk.flush(now) or received
            if self._parent is not None and now - watched > 0.5:
                watched = now
                self._stopped |= not self._parent.alive()
        if self._desk.shutdown:
            self._farewell()

    def close(self) -> None:
        """Ends the workers and frees everything. No process is left."""
        self._pool.close(5.0)
        self._router.close(linger=200)  # ms
        self._inbox.close()
        self._context.term()
        self._journal.close()

    def _receive(self) -> bool:
        """Takes in what clients sent; True if there may be more."""
        for _ in range(BATCH):
            try:
                identity, *parts = self._router.recv_multipart(zmq.DONTWAIT, copy=False)
            except zmq.Again:
                return False
            try:
                self._desk.handle(identity.bytes, parts)
            except Exception as error:  # a fault of ours; one client's message must not end everybody's server
                traceback.print_exc()
                self._desk.apologise(identity.bytes, error)
        return True

    def _wait(self) -> float:
        """Seconds until something may be due."""
        due = self._scheduler.next_due()
        tick = BUSY_TICK if self._desk.busy() or self._scheduler.active() else IDLE_TICK
        return tick if due is None else min(max(due - time.monotonic(), 0.0), tick)

    def _farewell(self) -> None:
        """Cancels everything and lets the clients know."""
        self._scheduler.cancel_all()
        end = time.monotonic() + FAREWELL
        while time.monotonic() < end and (self._scheduler.next_due() is not None or self._desk.busy()):
            for number, said in self._inbox.take():
                self._scheduler.on_worker(number, said)
            self._scheduler.tick(time.monotonic())
            self._desk.flush(time.monotonic())
            time.sleep(0.01)


class _signals:
    """Ends the server on SIGTERM, SIGINT and, on Windows, Ctrl-Break; outside the main thread it does nothing."""

    def __init__(self, server: Server) -> None:
        self._server = server
        names = ("SIGTERM", "SIGINT", "SIGBREAK", "SIGHUP")
        self._numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        self._before: Sequence[object] = ()

    def __enter__(self) -> None:
        with suppress(ValueError):
            self._before = [signal.signal(number, self._stop) for number in self._numbers]

    def __exit__(self, *_: object) -> None:
        for number, before in zip(self._numbers, self._before, strict=False):
            signal.signal(number, before)  # type: ignore[arg-type]

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._server.stop()
