"""The backend's process as the add-on starts and stops it. There is no running backend to connect to here."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import inside
from inside import choose, failed_morph, grid, morph, pump_until, result, session


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def stop() -> None:
    bpy.ops.tweenfield.stop_backend()
    pump_until(lambda: session().backend == "stopped", 20)


def program(name: str, words: list[str]) -> Path:
    """A small program in a folder of its own, which runs ``words``."""
    folder = Path(bpy.app.tempdir) / name
    folder.mkdir()
    path = folder / ("tweenfield" if name == "found" else name)
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    return path


def preferences() -> Any:
    return bpy.context.preferences.addons[inside.MODULE].preferences


def until_ready() -> None:
    pump_until(lambda: session().backend in ("ready", "stopped"), 90)  # on a busy machine it is lost and found first
    assert session().backend == "ready", session().problem


def check_start_morph_stop(facts: Any) -> None:
    assert session().backend == "stopped"
    bpy.ops.tweenfield.start_backend()
    assert session().backend == "starting"
    until_ready()
    process = session().process
    pid, folder, log = process.pid, process._folder, session().log
    assert os.getpgid(pid) == pid != os.getpgid(0)
    choose(grid("A"), grid("B", lift=0.5))
    morph()
    begun = time.monotonic()
    stop()
    facts.stop_seconds = time.monotonic() - begun
    assert not alive(pid)
    assert not folder.exists()
    assert log.is_file()
    result()


def check_morph_starts_the_backend(facts: Any) -> None:
    choose(grid("A"), grid("B", lift=0.5))
    morph(90)
    stop()


def check_killed_backend(facts: Any) -> None:
    """A job whose backend is gone ends with a reason, and the next one starts a new backend."""
    bpy.ops.tweenfield.start_backend()
    until_ready()
    choose(grid("A"), grid("B", lift=0.5), method_name="velocity_field", preset_name="high")
    before = inside.digest()
    bpy.ops.tweenfield.morph()
    pump_until(lambda: "raining" in session().bar.text)
    os.kill(session().process.pid, signal.SIGKILL)
    pump_until(lambda: not session().busy, 20)
    assert "ended by itself" in session().problem.message
    assert inside.digest() == before
    pump_until(lambda: session().backend == "stopped", 20)
    choose(bpy.data.objects["A"], bpy.data.objects["B"])
    morph(90)
    stop()


def workers(pid: int) -> list[int]:
    """The worker processes of a server; only where /proc tells."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"worker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def check_killed_worker(facts: Any) -> None:
    """One failed job with a reason; the backend stays and does the next one."""
    bpy.ops.tweenfield.start_backend()
    until_ready()
    choose(grid("A"), grid("B", lift=0.5), method_name="velocity_field", preset_name="high", live_preview=True)
    before = inside.digest()
    bpy.ops.tweenfield.morph()
    pump_until(lambda: any(ob.get("tweenfield_preview") for ob in bpy.data.objects), 90)
    for pid in workers(session().process.pid):
        os.kill(pid, signal.SIGKILL)
        facts.killed = True
    if hasattr(facts, "killed"):
        pump_until(lambda: not session().busy, 30)
        facts.message = session().problem.message
        assert "worker" in facts.message or "process" in facts.message, facts.message
        assert inside.digest() == before
    session().cancel()
    assert session().backend == "ready"
    choose(bpy.data.objects["A"], bpy.data.objects["B"])
    morph(90)
    stop()


def check_program_on_the_path(facts: Any) -> None:
    path = program("found", [preferences().python, "-m", "backend"])
    preferences().python = ""
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{path.parent}{os.pathsep}{before}"
    try:
        bpy.ops.tweenfield.start_backend()
        until_ready()
        assert session().process.command == [str(path)]
    finally:
        os.environ["PATH"] = before
    stop()


def refused(start: Callable[[], object]) -> str:
    try:
        start()
    except RuntimeError as error:
        return str(error)
    raise AssertionError("it was not refused")


def check_wrong_paths(facts: Any) -> None:
    """Every wrong path is a sentence with a remedy, at once or when the process has ended."""
    folder = Path(bpy.app.tempdir)
    text = folder / "notes.txt"
    text.write_text("no program", encoding="utf-8")
    for path, words in ((folder / "nowhere", "There is no Python at"), (text, "is not a program")):
        preferences().python = str(path)
        message = refused(bpy.ops.tweenfield.start_backend)
        assert words in message, message
    preferences().python, before = "", os.environ["PATH"]
    os.environ["PATH"] = str(folder)
    try:
        assert "The backend was not found" in refused(bpy.ops.tweenfield.start_backend)
    finally:
        os.environ["PATH"] = before
    assert session().backend == "stopped"
    # A Python that has no backend: -I hides the one of this source tree, -S an installed one.
    preferences().python = str(program("bare", [sys.executable, "-I", "-S"]))
    choose(grid("A"), grid("B"))
    before_all = inside.digest()
    message = failed_morph()
    assert "has no Tweenfield backend" in message
    assert "pip install" in message
    assert inside.digest() == before_all
    pump_until(lambda: session().backend == "stopped", 20)
    preferences().python = str(program("broken", ["sh", "-c", "echo out of luck; exit 3", "x"]))
    assert "out of luck" in failed_morph()
    pump_until(lambda: session().backend == "stopped", 20)


def check_morph_again_at_once(facts: Any) -> None:
    """A script that never ticks: each morph ends, whatever became of the backend before it."""
    right = preferences().python
    preferences().python = str(program("empty", [sys.executable, "-I", "-S"]))
    choose(grid("A"), grid("B", lift=0.5))

    def wait() -> None:
        assert bpy.ops.tweenfield.morph(wait=True) == {"FINISHED"}
        assert "shape keys" in session().outcome
        assert not session().busy

    assert "has no Tweenfield backend" in refused(wait)
    assert "has no Tweenfield backend" in refused(wait)
    preferences().python = right
    wait()  # after one that ended by itself
    os.kill(session().process.pid, signal.SIGKILL)
    while not session().process.ended():
        time.sleep(0.01)
    wait()  # after one that died unseen
    pid = session().process.pid
    bpy.ops.tweenfield.stop_backend()
    wait()  # after one that is still ending
    assert session().process.pid != pid
    assert not alive(pid)
    bpy.ops.tweenfield.stop_backend()
    bpy.ops.tweenfield.morph()  # and without waiting
    pump_until(lambda: not session().busy, 90)
    assert "shape keys" in session().outcome, session().problem
    stop()


def check_log_without_a_viewer(facts: Any) -> None:
    """Where no program opens files, the message names the log."""
    if not sys.platform.startswith("linux"):
        return
    bpy.ops.tweenfield.start_backend()
    until_ready()
    before = os.environ["PATH"]
    os.environ["PATH"] = bpy.app.tempdir
    try:
        message = refused(bpy.ops.tweenfield.open_log)
    finally:
        os.environ["PATH"] = before
    assert str(session().log) in message
    assert "Traceback" not in message
    stop()


def check_wrong_connection_files(facts: Any) -> None:
    text = Path(bpy.app.tempdir) / "connection.json"
    text.write_text("{}", encoding="utf-8")
    text.chmod(0o600)
    choose(grid("A"), grid("B"))
    preferences().connection_file = str(text)
    assert "connection file cannot be used" in failed_morph()
    far = '{"address": "tcp://192.0.2.1:5", "token": "t", "session": "s", "pid": 1, "protocol": [1, 0]}'
    text.write_text(far, encoding="utf-8")
    assert "Allow Online Access" in failed_morph()
    assert session().backend == "stopped"


def check_examination(facts: Any) -> None:
    bpy.ops.tweenfield.check_backend()
    pump_until(lambda: session().check.done, 90)
    facts.lines = session().check.lines
    assert len(facts.lines) >= 3
    assert any("torch" in line for line in facts.lines)
    preferences().python = str(program("naked", [sys.executable, "-I", "-S"]))
    bpy.ops.tweenfield.check_backend()
    pump_until(lambda: session().check.done, 30)
    assert "pip install" in session().check.lines[0]
