"""Messages of threads for a loop that waits on ZeroMQ sockets."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

import zmq

T = TypeVar("T")


class Inbox(Generic[T]):
    """A queue with a socket that becomes readable when something was put in."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._items: queue.SimpleQueue[T] = queue.SimpleQueue()
        self.socket = context.socket(zmq.PULL)
        address = f"inproc://inbox-{id(self)}"
        self.socket.bind(address)
        self._bell = context.socket(zmq.PUSH)
        self._bell.linger = 0
        self._bell.connect(address)
        self._lock = threading.Lock()

    def put(self, item: T) -> None:
        """From any thread."""
        self._items.put(item)
        with self._lock, contextlib.suppress(zmq.Again):  # full: the loop has been rung for often enough
            if not self._bell.closed:
                self._bell.send(b"", zmq.DONTWAIT)

    def take(self) -> Iterator[T]:
        """What is there, in the loop's thread."""
        with contextlib.suppress(zmq.Again):
            while True:
                self.socket.recv(zmq.DONTWAIT)
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._items.get_nowait()

    def close(self) -> None:
        with self._lock:
            self._bell.close(linger=0)
        self.socket.close(linger=0)
