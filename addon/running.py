"""The one session of this Blender, its timer, and what happens to it on undo, on another file and at the end."""

from __future__ import annotations

import atexit
from pathlib import Path
from typing import Any

import bpy

from .frame_files import keep_saved
from .generated import offered
from .problem import Problem
from .results import drop_leftovers
from .session import Session

ADDON = str(__package__)
_session: Session | None = None


def current() -> Session:
    """The session; there is one from ``register`` to ``unregister``."""
    if _session is None:
        raise Problem("Tweenfield is not switched on.")
    return _session


def register() -> None:
    global _session
    folder = Path(bpy.utils.extension_path_user(ADDON, path="logs", create=True))
    _session = Session(f"tweenfield-addon {_version()}", folder)
    atexit.register(_at_exit)
    for handler in (_before_load, _after_load, _after_save, _after_undo):
        bpy.app.handlers.persistent(handler)  # others are dropped when a file is opened
    bpy.app.handlers.load_pre.append(_before_load)
    bpy.app.handlers.load_post.append(_after_load)
    bpy.app.handlers.save_post.append(_after_save)
    bpy.app.handlers.undo_post.append(_after_undo)
    bpy.app.handlers.redo_post.append(_after_undo)
    # Persistent: an ordinary timer ends when another file is opened.
    bpy.app.timers.register(_tick, first_interval=0.5, persistent=True)


def unregister() -> None:
    global _session
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    bpy.app.handlers.redo_post.remove(_after_undo)
    bpy.app.handlers.undo_post.remove(_after_undo)
    bpy.app.handlers.save_post.remove(_after_save)
    bpy.app.handlers.load_post.remove(_after_load)
    bpy.app.handlers.load_pre.remove(_before_load)
    atexit.unregister(_at_exit)
    current().close()
    _session = None
    offered.forget()


def _at_exit() -> None:
    """No process is left behind where Blender ends without switching its add-ons off; its data is gone by now."""
    current().end_processes()


def _version() -> str:
    for line in (Path(__file__).parent / "blender_manifest.toml").read_text(encoding="utf-8").splitlines():
        if line.startswith("version"):
            return line.split('"')[1]
    return "0.0.0"


def _tick() -> float:
    session = current()
    shown = _shown(session)
    seconds = session.pump()
    if _shown(session) != shown:
        _redraw()
    return seconds


def _shown(session: Session) -> tuple[Any, ...]:
    """What the panel shows of a session; it is drawn again when this changes."""
    lines = tuple(session.check.lines) if session.check is not None else ()
    bar = session.bar.text, session.bar.fraction
    job = session.busy, session.training, session.finishing
    return session.backend, bar, job, session.problem, session.outcome, lines


def _redraw() -> None:
    manager = bpy.context.window_manager
    for window in manager.windows if manager is not None else ():
        for area in window.screen.areas:
            for region in area.regions if area.type in ("VIEW_3D", "PREFERENCES") else ():
                if region.type == "UI" or area.type == "PREFERENCES":
                    region.tag_redraw()


def _before_load(*_: Any) -> None:
    current().leave_file()


def _after_load(*_: Any) -> None:
    drop_leftovers()


def _after_save(*_: Any) -> None:
    keep_saved()


def _after_undo(*_: Any) -> None:
    current().leftovers = True
