"""Drives the panel in a real Blender window: ``python -m tests.gui.run --window TOOL [--script NAME] [--out DIR]``.

TOOL (or the variable TWEENFIELD_BLENDER_WINDOW) is a folder with a program ``run.sh`` that opens a window on a virtual
screen and runs a script in it: ``run.sh --zip ZIP --script SCRIPT --out DIR --size WxH --timeout SECONDS``; the script
finds a module ``driver`` there that clicks and takes pictures. The backend runs outside the window, as a real process
on the loopback network. The pictures are in DIR afterwards, to be looked at; the exit status is that of ``run.sh``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import build_addon

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT = 60.0  # seconds until the backend must have written its connection file
SCRIPTS = ("panel", "picking", "markers", "surfaces", "outline")
STOP_LIMIT = 20.0  # seconds that it may take to end


@contextmanager
def backend(connection_file: Path, log: Path) -> Iterator[None]:
    """A backend process that serves while the block runs."""
    command = [sys.executable, "-m", "backend", "serve", "--connection-file", str(connection_file)]
    command += ["--journal", str(connection_file.with_name("journal"))]
    command += ["--threads", "1"]  # drawing without a graphics card needs processors too
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + START_LIMIT
        while not connection_file.is_file():
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"error: the backend did not start, see {log}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            sys.stderr.write(f"error: the backend did not end within {STOP_LIMIT:.0f} s of SIGTERM\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.gui.run", description=__doc__)
    usual = os.environ.get("TWEENFIELD_BLENDER_WINDOW")
    parser.add_argument("--window", type=Path, default=usual, help="folder with run.sh (TWEENFIELD_BLENDER_WINDOW)")
    parser.add_argument(
        "--out", type=Path, default=Path("build/gui"), help="folder for the pictures (default: %(default)s)"
    )
    parser.add_argument("--script", choices=SCRIPTS, default="panel", help="what is done (default: %(default)s)")
    parser.add_argument("--size", default="1280x720", help="of the screen, in pixels (default: %(default)s)")
    parser.add_argument("--timeout", type=int, default=300, help="seconds for the whole run (default: %(default)s)")
    options = parser.parse_args()
    if options.window is None or not (options.window / "run.sh").is_file():
        parser.error("give the folder of the window tool: --window DIR, with run.sh in it")
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        stage = Path(folder)  # what the script in the window can read
        script = f"{options.script}_script.py"
        for name in (script, "scene.py", "clicks.py"):
            shutil.copy(Path(__file__).with_name(name), stage)
        for mesh in ("source.obj", "target.obj"):
            shutil.copy(ROOT / "backend" / "data" / "fox_run" / mesh, stage)
        archive = build_addon.build(stage, build_addon.this_platform())
        command = [options.window / "run.sh", "--zip", archive, "--script", stage / script]
        command += ["--out", options.out, "--size", options.size, "--timeout", str(options.timeout)]
        with backend(stage / "connection.json", options.out / "backend.log"):
            return subprocess.run([str(word) for word in command]).returncode


if __name__ == "__main__":
    sys.exit(main())
