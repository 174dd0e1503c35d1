"""A proxy between a client and a backend that drops, repeats or holds back messages by a rule."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import zmq

from protocol.endpoint import Endpoint
from protocol.messages import Message
from protocol.wire import decode

Rule = Callable[[str, Message], int]  # ("up" to the backend or "down", the message) -> how often it is passed on


class Proxy(threading.Thread):
    """``endpoint`` is the backend's, with the proxy's own address. ``cut()`` closes every connection of clients."""

    def __init__(self, behind: Endpoint, rule: Rule) -> None:
        super().__init__(daemon=True)
        self._rule = rule
        self._behind = behind.address
        self._ending, self._cutting = threading.Event(), threading.Event()
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._backs: dict[bytes, zmq.Socket[bytes]] = {}
        self._front = self._listen("tcp://127.0.0.1:*")
        self.endpoint = replace(behind, address=self._address)

    def __enter__(self) -> Proxy:
        self.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._ending.set()
        self.join(10)
        self._close()
        self._context.term()

    def cut(self) -> None:
        """Breaks all connections; new ones can be made at once."""
        self._cutting.set()
        while self._cutting.is_set() and self.is_alive():
            self.join(0.005)

    def _listen(self, address: str) -> zmq.Socket[bytes]:
        front = self._context.socket(zmq.ROUTER)
        front.linger = 0
        try:
            front.bind(address)
        except zmq.ZMQError:
            front.close(linger=0)
            raise
        self._address = front.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
        return front

    def _close(self) -> None:
        self._front.close(linger=0)
        for back in self._backs.values():
            back.close(linger=0)
        self._backs.clear()

    def run(self) -> None:
        while not self._ending.is_set():
            if self._cutting.is_set():
                self._cut()
            poller = zmq.Poller()
            for socket in (self._front, *self._backs.values()):
                poller.register(socket, zmq.POLLIN)
            ready = dict(poller.poll(5))
            if self._front in ready:
                identity, *parts = self._front.recv_multipart()
                back = self._backs.get(identity) or self._back(identity)
                for _ in range(self._rule("up", decode(parts))):
                    back.send_multipart(parts)
            for identity, back in self._backs.items():
                if back in ready:
                    parts = back.recv_multipart()
                    for _ in range(self._rule("down", decode(parts))):
                        self._front.send_multipart([identity, *parts])

    def _back(self, identity: bytes) -> zmq.Socket[bytes]:
        back = self._context.socket(zmq.DEALER)
        back.linger = 0
        back.connect(self._behind)
        self._backs[identity] = back
        return back

    def _cut(self) -> None:
        self._close()
        while self._front.closed:
            try:
                self._front = self._listen(self._address)
            except zmq.ZMQError:  # the port is free again in a moment
                self._ending.wait(0.005)
        self._cutting.clear()
