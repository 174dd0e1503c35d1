"""Where the server keeps its things when nobody says: one folder per user, as each system has it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from backend.service.journal import Journal, JournalInUse, JournalLimits

_JOURNALS: Final = 16  # servers of one user at a time, without --journal


def user_folder() -> Path:
    """The program's folder for what outlives a run."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")) / "Tweenfield"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "Tweenfield"
    return Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state") / "tweenfield"


def connection_file() -> Path:
    """The connection file of a server that was given none."""
    return user_folder() / f"backend-{os.getpid()}.json"


def open_journal(folder: Path | None, limits: JournalLimits) -> Journal:
    """The journal in ``folder``, or the first of the user's that no other server has open."""
    if folder is not None:
        return Journal(folder, limits)
    for number in range(1, _JOURNALS + 1):
        try:
            return Journal(user_folder() / f"journal-{number}", limits)
        except JournalInUse:
            continue
    raise JournalInUse(f"all {_JOURNALS} journals in {user_folder()} are in use; give --journal a folder")
