"""A file that one process holds. The system lets go of it when the process ends, however it ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO


class InUse(OSError):
    """Another process holds the file, or the disk knows no locks."""


def lock(path: Path) -> IO[bytes]:
    """An open file that no other process can lock until it is closed. Raises ``InUse``."""
    file = open(path, "ab")  # noqa: SIM115 - whoever asked keeps it open
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise InUse(*error.args) from error
    return file
