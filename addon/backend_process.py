"""The backend's process: found, started without a console, watched, stopped, and never left behind.

The backend watches Blender as well (``--parent-pid``) and ends with it, so that even a crash of Blender leaves nothing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from .problem import Problem
from .protocol.endpoint import Endpoint, read_connection_file

START_SECONDS = 90.0  # a first import of torch from a slow disk takes tens of seconds
ASK_SECONDS = 3.0  # from "please end" to SIGTERM, and again to SIGKILL
KEPT_LOGS = 5
NO_BACKEND = "No module named backend"


def find_command(given: str) -> list[str]:
    """The words that run the backend: ``given`` is its Python, the folder of its environment, the program
    ``tweenfield``, or nothing, for the program on the PATH."""
    if not given.strip():
        found = shutil.which("tweenfield")
        if found is None:
            raise Problem(
                "The backend was not found. Set the path of its Python in Edit > Preferences > Add-ons > Tweenfield, "
                "or put the program tweenfield on the PATH."
            )
        return [found]
    path = Path(given.strip()).expanduser()
    if path.is_dir():
        inside = [path / "bin" / "python", path / "Scripts" / "python.exe", path / "python.exe"]
        path = next((program for program in inside if program.is_file()), path)
    if not path.is_file():
        raise Problem(
            f"There is no Python at {path}. Correct the path in Edit > Preferences > Add-ons > Tweenfield: it is the "
            "python program (or the environment's folder) that the backend was installed with."
        )
    if not os.access(path, os.X_OK):
        raise Problem(f"{path} is not a program that can be run. Pick the python program of the backend's environment.")
    return [str(path)] if path.stem.lower() == "tweenfield" else [str(path), "-m", "backend"]


def start_program(command: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Starts a program in a process group of its own, without a console and away from Blender's own Python paths."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONHOME", "PYTHONSTARTUP")}
    environment |= {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}
    options: dict[str, Any] = {}
    if sys.platform == "win32":
        options["creationflags"] = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    else:
        options["start_new_session"] = True
    try:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment, **options
        )
    except OSError as error:
        raise Problem(
            f"{command[0]} could not be started: {error.strerror or error}. Check the path in Edit > Preferences > "
            "Add-ons > Tweenfield."
        ) from error


def end_program(process: subprocess.Popen[bytes], *, force: bool) -> None:
    """Asks a program and all it started to end; with ``force`` it does not ask."""
    if sys.platform == "win32":
        if force:
            command = ["taskkill", "/PID", str(process.pid), "/T", "/F"]
            subprocess.run(command, capture_output=True, creationflags=subprocess.CREATE_NO_WINDOW, check=False)
        else:
            with contextlib.suppress(OSError):  # it has no console to get a signal through
                process.send_signal(signal.CTRL_BREAK_EVENT)
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL if force else signal.SIGTERM)


class BackendProcess:
    """One started backend. ``stop`` only begins the end; ``step`` carries it through."""

    def __init__(self, command: list[str], log_folder: Path) -> None:
        log_folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(log_folder.glob("backend-*.log"), key=lambda path: path.stat().st_mtime)[: -KEPT_LOGS + 1]:
            old.unlink(missing_ok=True)
        self.log = log_folder / f"backend-{os.getpid()}-{time.strftime('%Y%m%d-%H%M%S')}.log"
        self.command = command
        self._folder = Path(tempfile.mkdtemp(prefix="tweenfield-"))
        self._connection = self._folder / "connection.json"
        words = [*command, "serve", "--connection-file", str(self._connection), "--parent-pid", str(os.getpid())]
        try:
            with self.log.open("wb") as output:
                self._process = start_program(words, output)
        except Problem:
            self.forget()
            raise
        self.started = time.monotonic()
        self._asked: float | None = None  # when it was told to end
        self._signals = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    def ended(self) -> bool:
        return self._process.poll() is not None

    def stopping(self) -> bool:
        return self._asked is not None

    def endpoint(self) -> Endpoint | None:
        """Where it listens, once it does. Raises ``Problem`` when it ended instead, or takes too long."""
        if self._connection.exists():
            return read_connection_file(self._connection)
        if self.ended():
            raise self.death()
        if time.monotonic() - self.started > START_SECONDS:
            raise Problem(
                f"The backend did not start within {START_SECONDS:.0f} seconds. Open the log to see where it stopped.",
                self.log_tail(),
            )
        return None

    def death(self) -> Problem:
        """Why it ended by itself, as far as its log tells."""
        tail = self.log_tail()
        if NO_BACKEND in tail:
            return Problem(
                f"{self.command[0]} has no Tweenfield backend. Install it there (in Tweenfield's folder: "
                f'"{self.command[0]}" -m pip install .), or pick another Python in the add-on\'s preferences.',
                tail,
            )
        lines = [line for line in tail.splitlines() if line.strip()]
        last = f" Its last words: {lines[-1].strip()}" if lines else ""
        code = self._process.poll()
        return Problem(f"The backend ended by itself (exit status {code}).{last} Press Start to run it again.", tail)

    def log_tail(self, lines: int = 30) -> str:
        try:
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def stop(self) -> None:
        """Begins the end. The client has asked the backend already; signals follow if it does not listen."""
        if self._asked is None:
            self._asked = time.monotonic()

    def step(self) -> bool:
        """Carries a stop through; true when the process is gone and its files are removed."""
        if self.ended():
            end_program(self._process, force=True)  # workers that outlived their server
            self.forget()
            return True
        if self._asked is not None and time.monotonic() - self._asked > ASK_SECONDS * (self._signals + 1):
            self._signals += 1
            end_program(self._process, force=self._signals > 1)
        return False

    def stop_now(self, seconds: float) -> None:
        """Ends it before returning: asked for ``seconds``, then by force."""
        self.stop()
        try:
            self._process.wait(seconds / 2)
        except subprocess.TimeoutExpired:
            end_program(self._process, force=False)
            try:
                self._process.wait(seconds / 2)
            except subprocess.TimeoutExpired:
                end_program(self._process, force=True)
                self._process.wait()
        self.step()

    def forget(self) -> None:
        """Removes the connection file; whoever has it could use the backend."""
        shutil.rmtree(self._folder, ignore_errors=True)


class BackendCheck:
    """One run of ``doctor``: what it says is shown in the preferences."""

    def __init__(self, command: list[str]) -> None:
        self.lines: list[str] = ["Checking..."]
        self.done = False
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (closed in ``step``)
        self._started = time.monotonic()
        self._process = start_program([*command, "doctor"], self._output)
        self._command = command

    def step(self) -> None:
        """Takes the answer in when it is there."""
        if self.done:
            return
        if self._process.poll() is None:
            if time.monotonic() - self._started > START_SECONDS:
                self.close()
                self.lines = [f"No answer within {START_SECONDS:.0f} seconds."]
            return
        self._output.seek(0)
        text = self._output.read().decode("utf-8", "replace")
        if NO_BACKEND in text:
            text = f'No Tweenfield backend there. In Tweenfield\'s folder run: "{self._command[0]}" -m pip install .'
        self.lines = [line.rstrip() for line in text.splitlines() if line.strip()] or ["It said nothing."]
        self.close()

    def close(self) -> None:
        """Ends the program if it still runs."""
        if self._process.poll() is None:
            end_program(self._process, force=True)
            self._process.wait()
        self._output.close()
        self.done = True
