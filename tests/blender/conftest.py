"""Runs the scripts of ``scenarios/`` in a Blender with the extension installed from its zip, in a clean profile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.blender.environment import backend_environment, blender_environment
from tests.service.test_reconstruct import model as ball_model

SCENARIOS = Path(__file__).parent / "scenarios"
LIMIT = 110  # seconds for one script
Outcomes = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def connection_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running backend."""
    folder = tmp_path_factory.mktemp("backend")
    path = folder / "connection.json"
    words = [sys.executable, "-m", "backend", "serve", "--connection-file", str(path), "--parent-pid", str(os.getpid())]
    words += ["--journal", str(folder / "journal")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, env=backend_environment(), cwd=folder)
    end = time.monotonic() + 90
    while not path.is_file():
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < end, "the backend did not start"
        time.sleep(0.05)
    yield path
    process.terminate()
    assert process.wait(20) == 0


@pytest.fixture(scope="session")
def scenario(
    addon_zip: Path, blender_python: Path, connection_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Outcomes]:
    """Runs a script of ``scenarios/`` once; what became of each of its checks."""
    known: dict[str, Outcomes] = {}

    def run(name: str) -> Outcomes:
        if name not in known:
            folder = tmp_path_factory.mktemp(name)
            if name == "images":
                (folder / "balls.safetensors").write_bytes(ball_model())
            environment = blender_environment(folder, None if name == "process" else connection_file)
            out = folder / "outcomes.json"
            words = [str(blender_python), str(SCENARIOS / "inside.py"), name, str(addon_zip), str(out)]
            try:
                done = subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True, timeout=LIMIT)
                error = "" if done.returncode == 0 else done.stdout + done.stderr
            except subprocess.TimeoutExpired as expired:
                error = f"more than {LIMIT} s: {expired.stdout!r} {expired.stderr!r}"
            known[name] = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
            known[name][""] = {"error": error, "folder": str(folder)}
        return known[name]

    return run
