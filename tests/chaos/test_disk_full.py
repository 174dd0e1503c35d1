"""A full disk under the journal: a failed job, nothing partial left, and a server that goes on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from protocol.messages import Error, JobState
from tests.service.harness import Backend, Follower, scripted

SMALL_DISK = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=2m none "$0" && exec "$@"']


def can_mount(folder: Path) -> bool:
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    return subprocess.run([*SMALL_DISK, str(folder), "true"], capture_output=True, check=False).returncode == 0


def test_a_full_disk(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    journal.mkdir()
    if not can_mount(journal):
        pytest.skip("this system lets nobody mount a small disk")
    with Backend(tmp_path, wrap=[*SMALL_DISK, str(journal)]) as backend, Follower(backend.endpoint) as follower:
        seen = Path(f"/proc/{backend.process.pid}/root{journal}")  # the disk as the server has it
        request = scripted(follower, steps=0, n=300)  # 3 MB
        large = follower.client.submit(request)
        error: Error = follower.first(Error, large)
        assert error.code == "disk-full"
        assert error.retryable
        assert not (seen / f"job-{large}").exists()
        assert not follower.of(JobState, large)

        growing = follower.client.submit(scripted(follower, steps=0, n=60, frames=100))  # 4 MB of frames
        follower.state(growing, "failed")
        assert follower.of(Error, growing)[0].code == "disk-full"
        assert [path.name for path in (seen / f"job-{growing}").iterdir()] == ["job.json"]

        small = follower.run(scripted(follower, steps=0))
        assert len(follower.result(small)[0]) == 6
        assert not list(seen.glob("**/*.part"))
