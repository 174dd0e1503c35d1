"""A folder beside the place where a result will stand. What a killed command left in one goes with the next command."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from backend.file_lock import lock

PREFIX = ".tweenfield-"
LOCK = ".lock"


@dataclass(frozen=True, eq=False)
class Aside:
    """A folder, and the file beside it that is held as long as the command runs."""

    folder: Path
    held: IO[bytes] | None  # None on a disk that knows no locks: nobody clears the folder then

    @staticmethod
    def new(home: Path) -> Aside:
        """An empty folder in ``home``, once those are gone whose command was killed."""
        for left in home.glob(f"{PREFIX}*{LOCK}"):
            with suppress(OSError):  # of a command that runs
                Aside(left.with_suffix(""), lock(left)).remove()
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
        held = None
        with suppress(OSError):
            held = lock(_lock_of(folder))
        return Aside(folder, held)

    def remove(self) -> None:
        """Deletes what is left of it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.held is not None:
            self.held.close()
        with suppress(OSError):
            _lock_of(self.folder).unlink()


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + LOCK)
