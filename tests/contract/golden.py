"""Golden frames: every message of a protocol version as it went over the wire, stored as files.

``python -m tests.contract.golden`` writes those of the present version, once, when the version is new.
A file is the message's frames one after the other, each behind its length (4 bytes, little-endian).
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from protocol.messages import PROTOCOL
from protocol.wire import encode
from tests.protocol.samples import messages

FOLDER = Path(__file__).parent / "golden"


def folder_of(version: tuple[int, int]) -> Path:
    return FOLDER / f"{version[0]}.{version[1]}"


def names() -> list[str]:
    """The file of each of ``messages()``."""
    return [f"{i:02}_{type(message).__name__}.bin" for i, message in enumerate(messages())]


def pack(parts: list[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def unpack(data: bytes) -> list[bytes]:
    parts, at = [], 0
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        parts.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return parts


def main() -> None:
    folder = folder_of(PROTOCOL)
    if folder.exists():
        sys.exit(f"{folder} exists; golden frames of a version that is out never change")
    folder.mkdir(parents=True)
    for name, message in zip(names(), messages(), strict=True):
        (folder / name).write_bytes(pack([bytes(part) for part in encode(message)]))


if __name__ == "__main__":
    main()
