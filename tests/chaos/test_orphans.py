"""No process is left, whatever is killed first."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from protocol.endpoint import read_connection_file
from protocol.messages import Progress
from tests.service.harness import Backend, Follower, backend_environment, gone, scripted, wait_for

PARENT = """
import os, subprocess, sys, time
command = [sys.executable, "-m", "backend", "serve", "--connection-file", sys.argv[1], "--journal", sys.argv[2]]
server = subprocess.Popen([*command, "--parent-pid", str(os.getpid())], start_new_session=True)
print(server.pid, flush=True)
time.sleep(1000)
"""


def test_the_server_is_killed_first(tmp_path: Path) -> None:
    """Once while its worker starts, once while the worker is deep in a step that listens to nobody."""
    with Backend(tmp_path) as backend:
        starting = backend.worker().pid
        backend.kill()
        assert wait_for(lambda: gone([starting]), 2.0)
    with Backend(tmp_path) as backend, Follower(backend.endpoint) as follower:
        job = follower.client.submit(scripted(follower, steps=1, ending="spin"))
        follower.until(lambda: [m for m in follower.of(Progress, job) if m.phase == "training"])
        busy = backend.worker().pid
        backend.kill()
        assert wait_for(lambda: gone([busy]), 2.0)


def test_the_parent_is_killed_first(tmp_path: Path) -> None:
    connection = tmp_path / "connection.json"
    command = [sys.executable, "-c", PARENT, str(connection), str(tmp_path / "journal")]
    with subprocess.Popen(
        command, env=backend_environment(), cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        server = psutil.Process(int(parent.stdout.readline()))
        wait_for(connection.exists)
        pids = [server.pid, *(child.pid for child in wait_for(server.children))]
        assert read_connection_file(connection).pid == server.pid
        assert not gone(pids)
        parent.kill()
        parent.wait()
        assert wait_for(lambda: gone(pids), 20.0)
        assert not connection.exists()


def test_a_parent_that_is_gone_already_ends_the_server(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as short:
        short.wait()
    with Backend(tmp_path, "--parent-pid", str(short.pid)) as backend:
        assert wait_for(lambda: backend.process.poll() is not None)
        assert backend.process.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_signal_ends_everything_cleanly(tmp_path: Path) -> None:
    with Backend(tmp_path) as backend, Follower(backend.endpoint) as follower:
        job = follower.client.submit(scripted(follower, steps=1, ending="spin"))
        follower.until(lambda: [m for m in follower.of(Progress, job) if m.phase == "training"])
        worker = backend.worker().pid
        started = time.monotonic()
        backend.process.terminate()
        assert backend.process.wait(20) == 0
        assert time.monotonic() - started < 20
        assert gone([worker])
        assert not backend.file.exists()
