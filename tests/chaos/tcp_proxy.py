"""A TCP proxy that breaks connections in the middle of whatever they carry, or lets them hang."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import replace

from protocol.endpoint import Endpoint, split_address


class TcpProxy:
    """Passes bytes on. ``cut_after``: each connection is reset when that many bytes came down; then twice as many."""

    def __init__(self, behind: Endpoint, cut_after: int | None = None) -> None:
        self._behind = split_address(behind.address)
        self._cut_after = cut_after
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lines: list[socket.socket] = []
        self._flowing = threading.Event()
        self._flowing.set()
        self.cuts = 0
        self.seen = bytearray()  # all that passed, both ways
        self.endpoint = replace(behind, address=f"tcp://127.0.0.1:{self._listener.getsockname()[1]}")
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> TcpProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._flowing.set()
        self.cut()

    def cut(self) -> None:
        """Resets every connection."""
        lines, self._lines = self._lines, []
        for line in lines:
            with contextlib.suppress(OSError):
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                line.shutdown(socket.SHUT_RDWR)
            line.close()
        self.cuts += bool(lines)

    def hold(self) -> None:
        """Keeps the connections, and passes nothing on."""
        self._flowing.clear()

    def release(self) -> None:
        self._flowing.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                front, _ = self._listener.accept()
                back = socket.create_connection(self._behind)
                self._lines += [front, back]
                threading.Thread(target=self._pump, args=(front, back, None), daemon=True).start()
                threading.Thread(target=self._pump, args=(back, front, self._cut_after), daemon=True).start()
                if self._cut_after is not None:
                    self._cut_after *= 2

    def _pump(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(16384):
                self._flowing.wait()
                if limit is not None and passed + len(data) > limit:
                    sink.sendall(data[: limit - passed])
                    self.cut()
                    return
                self.seen += data
                sink.sendall(data)
                passed += len(data)
            sink.shutdown(socket.SHUT_WR)
