"""What the tests of the command line share: small meshes on disk, and the command as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh

from protocol.mesh import MeshData
from tests.cli.ready import LIMIT, run_ready
from tests.obj_file import write_obj

REPOSITORY = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """The environment of a command: this tree's package from any folder, and warnings are errors."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "error", "COLUMNS": "100"}


def start(
    *arguments: object, cwd: Path, python: str = sys.executable, before: Callable[[], object] | None = None
) -> subprocess.Popen[str]:
    """Starts ``python -m backend``; ``before`` is called in the new process."""
    return subprocess.Popen(
        [python, "-m", "backend", *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


@pytest.fixture
def command(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command to its end in the test's folder."""
    said = tmp_path_factory.mktemp("said") / "command"

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return run_ready([*map(str, arguments)], tmp_path, environment(), said)

    return run


def wait_for(process: subprocess.Popen[str], seen: str) -> str:
    """Waits until a word stands in the progress; everything said so far."""
    assert process.stderr is not None
    said = ""
    deadline = time.monotonic() + LIMIT
    while seen not in said:
        line = process.stderr.readline()
        assert line, f"ended before {seen!r}: {said}"
        assert time.monotonic() < deadline
        said += line
    return said


def interrupt_when(process: subprocess.Popen[str], seen: str) -> tuple[int, str]:
    """Sends Ctrl-C when a word stands in the progress, and gives the exit status and everything said."""
    said = wait_for(process, seen)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT)
    return process.returncode, said + err + out


def mesh_of(shape: trimesh.Trimesh, uv: bool = False) -> MeshData:
    faces = np.asarray(shape.faces)
    offsets = np.arange(0, 3 * len(faces) + 1, 3)
    corners = faces.reshape(-1)
    attributes = {"uv": shape.vertices[corners, :2].astype(np.float32)} if uv else {}
    return MeshData.from_positions(shape.vertices, offsets, corners, attributes)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A sphere, and the same sphere stretched and bent, in one vertex order: ``ball.obj`` and ``bent.obj``."""
    ball = trimesh.creation.icosphere(subdivisions=2)
    bent = ball.copy()
    x, y, z = ball.vertices.T
    bent.vertices = np.stack([1.5 * x, y + 0.4 * x * x, 0.8 * z + 0.3], axis=1)
    write_obj(tmp_path / "ball.obj", mesh_of(ball, uv=True))
    write_obj(tmp_path / "bent.obj", mesh_of(bent))
    return tmp_path / "ball.obj", tmp_path / "bent.obj"
