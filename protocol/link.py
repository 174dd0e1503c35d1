"""``Link``: one client's connection to the backend: handshake, heartbeat, loss, and connecting again.

Nothing here waits: the owner calls ``receive`` from its own loop, as Blender's timer does.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import zmq
from zmq.utils.monitor import parse_monitor_message

from protocol.endpoint import CurveKeys, Endpoint, EndpointError, is_loopback, make_dealer, split_address
from protocol.messages import PROTOCOL, Error, Hello, Message, Ping, Refused, Welcome
from protocol.version import negotiate
from protocol.wire import WireError, decode, encode

LinkState = Literal["connecting", "ready", "lost", "refused"]

HANDSHAKE_FAILURES = 3  # in a row, before the key is taken to be wrong for good
HANDSHAKES = (
    zmq.Event.HANDSHAKE_FAILED_NO_DETAIL,
    zmq.Event.HANDSHAKE_FAILED_PROTOCOL,
    zmq.Event.HANDSHAKE_FAILED_AUTH,
)


def handshake_reason(event: int, encrypted: bool) -> str:
    """What a failed handshake most likely means. A wrong server key is only ever seen as a line that was closed."""
    if event == zmq.Event.HANDSHAKE_FAILED_AUTH:
        return (
            "the backend does not let this client's key in; have its public key added to the backend's list of "
            "allowed clients"
        )
    if event == zmq.Event.HANDSHAKE_FAILED_NO_DETAIL and encrypted:
        return "the backend's key is not the one in the connection file; read the connection file again"
    return "what answers there does not speak this protocol, or only one side encrypts; read the connection file again"


@dataclass(frozen=True)
class Times:
    """Seconds. A message of any kind proves that the other side lives."""

    ping: float = 1.0
    liveness: float = 5.0  # without any message, the connection is lost
    patience: float = 60.0  # the liveness of another machine grows up to this: a slow line looks like silence
    first_retry: float = 0.25
    last_retry: float = 32.0
    stall: float = 5.0  # a job that nothing is heard of is asked for again
    ask_again: float = 0.5  # between two requests to close a gap


class Link:
    """A connection that mends itself. ``state`` and ``reason`` say how it is, in words for the artist."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        endpoint: Endpoint,
        app: str,
        session: str,
        *,
        keys: CurveKeys | None = None,
        find: Callable[[], Endpoint] | None = None,
        times: Times | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.times = times or Times()
        self.state: LinkState = "connecting"
        self.reason = ""
        self.welcome: Welcome | None = None
        self._context = context
        self._keys = keys
        self._find = find
        self._app = app
        self._session = session
        self._outbox: deque[Sequence[bytes | memoryview]] = deque()
        self._poller = zmq.Poller()
        self._socket: zmq.Socket[bytes] | None = None
        self._monitor: zmq.Socket[bytes] | None = None
        self._retry = self.times.first_retry
        self._liveness = self.times.liveness
        self._failures = 0  # handshakes, in a row
        self._nonce = 0
        self._called = self._due = time.monotonic()
        self._open()

    def send(self, parts: Sequence[bytes | memoryview]) -> None:
        """Sends an encoded message, or keeps it until there is room. What is not sent when the line breaks is lost."""
        self._outbox.append(parts)
        self._flush()

    def receive(self, wait: float) -> Message | None:
        """The next message, after at most ``wait`` seconds; ``None`` when there is none."""
        self._keep(time.monotonic())
        if self._socket is None:
            time.sleep(min(wait, 0.05))
            return None
        parts = self._read()
        if parts is None and wait > 0:
            self._poller.poll(int(1000 * wait))
            parts = self._read()
        if parts is None:
            self._watch()
            return None
        return self._take(parts)

    def pause(self) -> float:
        """Seconds since the last call that are not counted as the other side's silence: it was the caller's."""
        now = time.monotonic()
        away = max(now - self._called - self.times.ping, 0.0)
        self._called = now
        self._heard += away
        return away

    def lose(self, reason: str) -> None:
        """Gives this connection up and makes another one after a growing delay."""
        self._shut()
        self.state = "lost"
        self.reason = reason
        self._due = time.monotonic() + self._retry
        self._retry = min(2 * self._retry, self.times.last_retry)

    def refuse(self, reason: str) -> None:
        """Gives up for good: connecting again would not help."""
        self._shut()
        self.state = "refused"
        self.reason = reason

    def close(self, linger: float = 0.0) -> None:
        """Ends the connection; ``linger`` seconds at most to send what waits, spent when the context is terminated."""
        self._shut(linger)
        self.state = "refused"
        self.reason = "closed"

    def _open(self) -> None:
        split_address(self.endpoint.address)  # raises for what ZeroMQ would try for ever
        self._heard = self._pinged = time.monotonic()
        self._socket = make_dealer(self._context, self.endpoint, self._keys)
        self._monitor = self._socket.get_monitor_socket()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        try:
            self._socket.connect(self.endpoint.address)
        except zmq.ZMQError as problem:
            self._shut()
            raise EndpointError(f"{self.endpoint.address} cannot be connected to: {problem}") from None
        self.send(encode(Hello(PROTOCOL, self._app, self._session, self.endpoint.token)))

    def _open_again(self) -> None:
        try:
            if self._find is not None:
                self.endpoint = self._find()
            self._open()
        except EndpointError as problem:
            self.lose(str(problem))

    def _shut(self, linger: float = 0.0) -> None:
        if self._socket is not None and self._monitor is not None:
            self._poller.unregister(self._socket)
            self._poller.unregister(self._monitor)
            self._socket.disable_monitor()
            self._monitor.close(linger=0)
            self._socket.close(linger=int(1000 * linger))
        self._socket = self._monitor = None
        self._outbox.clear()

    def _keep(self, now: float) -> None:
        """What is due: connecting again, a ping, or the verdict that the other side is dead."""
        if self._socket is None:
            if self.state == "lost" and now >= self._due:
                self._open_again()
            return
        if now - self._heard > self._liveness and not self._socket.poll(0):
            if self.state == "ready" and not is_loopback(split_address(self.endpoint.address)[0]):
                self._liveness = min(2 * self._liveness, self.times.patience)
            self.lose(f"the backend has not answered for {now - self._heard:.0f} s")
        elif self.state == "ready" and now - self._pinged >= self.times.ping:
            self._pinged = now
            self._nonce += 1
            self.send(encode(Ping(self._nonce)))
        else:
            self._flush()

    def _flush(self) -> None:
        while self._outbox and self._socket is not None:
            try:
                self._socket.send_multipart(self._outbox[0], zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            self._outbox.popleft()

    def _read(self) -> list[zmq.Frame] | None:
        try:
            return self._socket.recv_multipart(zmq.NOBLOCK, copy=False) if self._socket else None
        except zmq.Again:
            return None

    def _take(self, parts: list[zmq.Frame]) -> Message | None:
        self._heard = time.monotonic()
        try:
            message = decode(parts)
        except WireError as problem:
            if self.state != "ready":
                self.refuse(f"what answers at {self.endpoint.address} is no Tweenfield backend: {problem}")
            return Error("bad-answer", f"an answer of the backend could not be read: {problem}", job=problem.job)
        if isinstance(message, Refused):
            self.refuse(message.reason)
        elif isinstance(message, Welcome):
            if negotiate(message.protocol) != message.protocol:
                self.refuse(
                    f"the backend chose protocol {message.protocol}, this side speaks {PROTOCOL}; "
                    "update the older of the two"
                )
                return Refused(self.reason, message.protocol)
            self.welcome, self.state, self.reason = message, "ready", ""
            self._retry, self._failures = self.times.first_retry, 0
        elif isinstance(message, Error) and message.code == "hello-first":
            self.lose("the backend does not know this connection any more")
            return None
        return message

    def _watch(self) -> None:
        """Reads what the socket's monitor says about the line."""
        while self._monitor is not None:
            try:
                event = parse_monitor_message(self._monitor.recv_multipart(zmq.NOBLOCK))["event"]
            except zmq.Again:
                return
            if event in HANDSHAKES:
                self._failures += 1
                reason = handshake_reason(event, bool(self.endpoint.server_key))
                final = event == zmq.Event.HANDSHAKE_FAILED_AUTH or self._failures >= HANDSHAKE_FAILURES
                (self.refuse if final else self.lose)(reason)
            elif event == zmq.Event.DISCONNECTED:
                self.lose("the connection to the backend broke")
            elif event == zmq.Event.CLOSED:
                self.lose(f"no backend answers at {self.endpoint.address}")
