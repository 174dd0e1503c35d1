"""Runs the tests of this folder on several Blenders: ``python -m tests.blender.versions [4.2 4.5 5.0 5.2]``.

For each version it makes an environment with that version's ``bpy`` and without pyzmq and msgpack, so that the wheels
in the extension are the ones that are used; the backend and pytest run in the environment of this command. The
environments are kept (about 1 GB each) in the user's cache folder. bpy 4.2 to 5.0 needs Python 3.11, 5.1 and later
Python 3.13; a version whose Python is not found is skipped, and the last lines say so.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import build_addon

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = ("4.2", "4.5", "5.0", "5.2")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def python_needed(version: str) -> str:
    """The Python that a version of bpy is made for."""
    major, minor = (int(part) for part in version.split("."))
    return "3.11" if (major, minor) <= (5, 0) else "3.13"


def candidates(python: str) -> Iterator[Path]:
    """Places where a Python of that version may be."""
    yield Path(sys.executable)
    found = shutil.which(f"python{python}")
    if found:
        yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from sorted(pyenv.glob(f"{python}.*/bin/python"))
    launcher = shutil.which("py")
    if launcher:
        asked = subprocess.run([launcher, f"-{python}", "-c", "import sys; print(sys.executable)"], capture_output=True)
        if asked.returncode == 0:
            yield Path(asked.stdout.decode().strip())


def find_python(python: str, given: list[Path]) -> Path | None:
    """A Python of that version that starts: a given one, or one of the usual places."""
    question = "import sys, venv; print('%d.%d' % sys.version_info[:2])"
    for path in (*given, *candidates(python)):
        try:
            asked = subprocess.run([path, "-c", question], capture_output=True, text=True, timeout=60)
        except OSError:
            continue
        if asked.returncode == 0 and asked.stdout.strip() == python:
            return path
    return None


def environment(version: str, python: Path, folder: Path) -> Path:
    """The Python of an environment with that version of bpy; made on the first call."""
    inside = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not (folder / "complete").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python, "-m", "venv", folder], check=True)
        say(f"Blender {version}: installing bpy into {folder}")
        subprocess.run([inside, "-m", "pip", "install", "--quiet", f"bpy=={version}.*"], check=True)
        (folder / "complete").touch()
    for name in ("zmq", "msgpack"):
        if subprocess.run([inside, "-c", f"import {name}"], capture_output=True).returncode == 0:
            raise SystemExit(f"error: {folder} has {name}, which would hide the extension's own: remove that folder")
    return inside


def run(version: str, given: list[Path], folder: Path, select: str) -> tuple[str, bool]:
    """Runs the tests on one version; returns what became of it, and whether that is good."""
    wanted = python_needed(version)
    python = find_python(wanted, given)
    if python is None:
        return f"skipped: bpy {version} needs Python {wanted}, and none was found (give one: --python PATH)", True
    try:
        inside = environment(version, python, folder / f"bpy-{version}")
    except subprocess.CalledProcessError as error:
        return f"failed: no environment could be made, {error}", False
    start = time.monotonic()
    exact = "import bpy; print(bpy.app.version_string)"
    answer = subprocess.run([inside, "-c", exact], capture_output=True, text=True, timeout=120).stdout.strip()
    command = [sys.executable, "-m", "pytest", "tests/blender", "-p", "no:cacheprovider", "-k", select]
    say(f"Blender {version}: {answer}, Python {wanted}")
    chosen = {**os.environ, "TWEENFIELD_BLENDER_PYTHON": str(inside)}
    done = subprocess.run(command, cwd=ROOT, env=chosen, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    say(done.stdout.rstrip())
    last = re.sub(r"[=\s]*$|^[=\s]*", "", done.stdout.rstrip().splitlines()[-1])
    status = "passed" if done.returncode == 0 else f"failed (exit status {done.returncode})"
    return f"{status}: {answer}, Python {wanted}, {last}, {time.monotonic() - start:.0f} s in all", done.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.blender.versions", description=__doc__)
    parser.add_argument("versions", nargs="*", default=VERSIONS, metavar="VERSION", help="e.g. 4.2; none: all four")
    parser.add_argument("--python", action="append", default=[], type=Path, help="a Python to use, may be repeated")
    parser.add_argument("--folder", type=Path, help="where the environments are kept")
    parser.add_argument("-k", default="", dest="select", help="run only these tests, as pytest's -k")
    options = parser.parse_args()
    folder = options.folder or build_addon.default_cache().parent / "blender-versions"
    outcomes = {version: run(version, options.python, folder, options.select) for version in options.versions}
    for version, (outcome, _) in outcomes.items():
        say(f"Blender {version}  {outcome}")
    return 0 if all(good for _, good in outcomes.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
