"""A wire message on disk: its frames one after another behind a table of lengths, replaced as a whole or not at all."""

from __future__ import annotations

import mmap
import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

Buffer = bytes | bytearray | memoryview

_MAGIC: Final = b"TWF1"
_COUNT: Final = struct.Struct("<4sI")
_MAX_PARTS: Final = 65536
_MAPPED: Final = 262144  # bytes, from which a file is mapped


def write_parts(path: Path, parts: Sequence[Buffer]) -> int:
    """Writes the frames of a message beside ``path``, then moves them there; returns the bytes written.

    An ``OSError`` (a full disk) leaves nothing new behind.
    """
    views = [_flat(memoryview(part)) for part in parts]
    head = _COUNT.pack(_MAGIC, len(views)) + struct.pack(f"<{len(views)}Q", *(view.nbytes for view in views))
    return write_whole(path, [memoryview(head), *views])


def write_whole(path: Path, views: Sequence[memoryview]) -> int:
    """Replaces the file ``path`` by the given bytes, atomically for every reader."""
    beside = path.with_name(path.name + ".part")
    try:
        with open(beside, "wb", buffering=0) as file:
            for view in views:
                _write_all(file.fileno(), view)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return sum(view.nbytes for view in views)


def read_parts(path: Path) -> list[memoryview]:
    """The frames of a message written by ``write_parts``, as views of one buffer. ``ValueError`` if it is cut short."""
    data = _contents(path)
    if len(data) < _COUNT.size:
        raise ValueError(f"{path} is cut short")
    magic, count = _COUNT.unpack_from(data)
    start = _COUNT.size + 8 * count
    if magic != _MAGIC or count > _MAX_PARTS or len(data) < start:
        raise ValueError(f"{path} is not a message of this program")
    lengths = struct.unpack_from(f"<{count}Q", data, _COUNT.size)
    if start + sum(lengths) != len(data):
        raise ValueError(f"{path} is cut short")
    parts = []
    for length in lengths:
        parts.append(data[start : start + length])
        start += length
    return parts


def _contents(path: Path) -> memoryview:
    """The bytes of a file; a large one is mapped, since fresh memory for a copy costs more than sending it.

    A mapped file must not shrink: files are replaced here, never changed. Windows cannot replace a mapped file.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        size = os.fstat(descriptor).st_size
        if sys.platform == "win32" or size < _MAPPED:
            with open(descriptor, "rb", buffering=0, closefd=False) as file:
                return memoryview(file.readall())
        flags = mmap.MAP_PRIVATE | getattr(mmap, "MAP_POPULATE", 0)
        return memoryview(mmap.mmap(descriptor, size, flags=flags, prot=mmap.PROT_READ))
    finally:
        os.close(descriptor)


def _flat(view: memoryview) -> memoryview:
    return view.cast("B") if view.nbytes else memoryview(b"")


def _write_all(descriptor: int, view: memoryview) -> None:
    while view:
        view = view[os.write(descriptor, view) :]
