"""Where the files of a result are: beside the .blend file, or in the user's own folder while there is none.

Every run gets a folder of its own, so that an undo finds the files of the run before. A folder that was saved with a
.blend file is never removed; of the others, the newest few of a pair are kept.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from pathlib import Path

import bpy

from .problem import Problem

BESIDE = "_tweenfield"  # what follows the .blend file's name in that of the folder beside it
MAKING, SAVED = ".making", ".saved"  # marks in a folder: being written; some .blend file needs it
KEPT = 3  # folders of one pair that no .blend file is known to need
FORGOTTEN = 30 * 86400.0  # seconds after which the files of scenes that were never saved are removed
_SESSION = f"{time.strftime('%Y-%m-%d %H.%M.%S')} {os.getpid()}"  # of this Blender


def new_folder(pair: str) -> Path:
    """An empty folder for the files of a pair, marked as being written. Raises ``Problem``."""
    _forget_sessions()
    name = bpy.path.clean_name(pair, replace=" ").strip() or "Morph"
    reasons = []
    for root in _roots():
        try:
            root.mkdir(parents=True, exist_ok=True)
            taken = {path.name for path in root.iterdir()}
            number = 1 + max((_number(path, name) for path in taken), default=0)
            folder = root / f"{name} {number:03d}"
            folder.mkdir()
            (folder / MAKING).touch()
        except OSError as error:
            reasons.append(f"{root}: {error.strerror or error}")
        else:
            return folder
    raise Problem("There is no place to write the frames to. " + ". ".join(reasons) + ".")


def _roots() -> list[Path]:
    """The folder beside the .blend file, if it was saved; then one of this Blender in the user's own."""
    own = [user_folder() / _SESSION]
    if not bpy.data.filepath:
        return own
    blend = Path(bpy.data.filepath)
    return [blend.with_name(f"{blend.stem}{BESIDE}"), *own]


def user_folder() -> Path:
    """Where the files of scenes are that have no .blend file yet."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "tweenfield" / "frames"


def _forget_sessions() -> None:
    """Removes what earlier Blenders left in the user's folder, if it is old and was never saved with a .blend file."""
    with contextlib.suppress(OSError):
        for session in user_folder().iterdir():
            saved = any((folder / SAVED).exists() for folder in session.iterdir())
            if not saved and time.time() - session.stat().st_mtime > FORGOTTEN:
                discard(session)


def _number(folder: str, name: str) -> int:
    """The number at the end of a folder's name, 0 if it is not one of ``name``."""
    start, _, number = folder.rpartition(" ")
    return int(number) if start == name and number.isdecimal() else 0


def finish(folder: Path) -> None:
    """The folder is complete: unmarks it, and removes old ones of the same pair that nobody needs."""
    (folder / MAKING).unlink(missing_ok=True)
    name = folder.name.rpartition(" ")[0]
    mine = [path for path in folder.parent.iterdir() if _number(path.name, name)]
    used = {path.resolve() for path in _in_use()}
    free = [path for path in mine if not (path / SAVED).exists() and not (path / MAKING).exists()]
    for path in sorted(free, key=lambda path: _number(path.name, name))[:-KEPT]:
        if path.resolve() not in used:
            discard(path)


def discard(folder: Path) -> None:
    """Removes a folder with its frames, and the folder around it if that has nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


def blend_path(path: Path) -> str:
    """A path as Blender keeps it: relative to the .blend file where it lies beside it."""
    blend = bpy.data.filepath
    if blend and Path(blend).parent in path.parents:
        return str(bpy.path.relpath(str(path)))
    return str(path)


def keep_saved() -> None:
    """Marks the folders that the .blend file that was just saved needs."""
    for folder in _in_use():
        if folder.is_dir():
            (folder / SAVED).touch()


def _in_use() -> set[Path]:
    """Folders of ours that objects of the open file read."""
    found = set()
    for ob in bpy.data.objects:
        for modifier in ob.modifiers:
            if isinstance(modifier, bpy.types.MeshSequenceCacheModifier) and modifier.cache_file is not None:
                found.add(Path(bpy.path.abspath(modifier.cache_file.filepath)).parent)
            elif isinstance(modifier, bpy.types.MeshCacheModifier):
                found.add(Path(bpy.path.abspath(modifier.filepath)).parent)
    own = user_folder()
    return {folder for folder in found if folder.parent.name.endswith(BESIDE) or own in folder.parents}
