"""A real backend process, and a client that waits for things."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from protocol.client import Client, Request
from protocol.endpoint import Endpoint, read_connection_file
from protocol.link import Times
from protocol.mesh import MeshData
from protocol.messages import Error, Finished, Frame, JobState, Message, MorphRequest, Timeline, Welcome
from protocol.settings import MethodSpec
from protocol.wire import encode

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 40.0  # any single wait; generous, since machines are busy
TIMES = Times(first_retry=0.05, last_retry=1.0, stall=2.0, ask_again=0.1)


class Backend:
    """``python -m backend serve`` with its own journal; the scripted method is registered."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        environment: Mapping[str, str] | None = None,
        launch: str = "",
        wrap: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.journal = folder / "journal"
        self.file = folder / "connection.json"
        command = [sys.executable, "-m", "backend", "serve", "--connection-file", str(self.file)]
        command += ["--journal", str(self.journal), "--threads", "1", *options]
        if launch:  # a program that takes connection file and journal
            command = [sys.executable, "-c", launch, str(self.file), str(self.journal)]
        command = [*wrap, *command]
        self.process = subprocess.Popen(
            command, env=backend_environment(environment), cwd=folder, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline().strip()
        self.endpoint: Endpoint = read_connection_file(self.file)

    def worker(self) -> psutil.Process:
        """The worker process, as soon as there is one."""
        return wait_for(lambda: next(iter(psutil.Process(self.process.pid).children()), None))

    def kill(self) -> None:
        self.process.kill()
        self.close()

    def close(self) -> None:
        """Ends it if it still runs, and lets go of its output."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def __enter__(self) -> Backend:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def backend_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "TWEENFIELD_EXTRA_METHODS": "tests.service.extra_methods:Scripted,tests.service.growing:Growing",
        **(more or {}),
    }


class Follower:
    """A client, and everything it was told."""

    def __init__(self, endpoint: Endpoint, *, session: str | None = None, credit: int = 4, **more: Any) -> None:
        more.setdefault("times", TIMES)
        self.client = Client(endpoint, "tweenfield-test", session=session, credit=credit, **more)
        self.messages: list[Message] = []
        self.at: list[float] = []  # when each came

    def until(self, holds: Callable[[], Any], *, seconds: float = SECONDS, take: bool = True) -> Any:
        """Polls until ``holds`` gives something true, and gives that."""
        end = time.monotonic() + seconds
        while not (found := holds()):
            assert time.monotonic() < end, f"{self.client.state} ({self.client.reason}): {self.messages[-8:]}"
            for message in self.client.poll(0.02):
                self.messages.append(message)
                self.at.append(time.monotonic())
                if take and isinstance(message, Frame):
                    self.client.taken(message.job)
        return found

    def welcome(self) -> Welcome:
        self.until(lambda: self.client.state == "ready")
        assert self.client.welcome is not None
        return self.client.welcome

    def method(self, name: str) -> MethodSpec:
        return next(spec for spec in self.welcome().methods if spec.name == name)

    def of(self, kind: type, job: str) -> list[Any]:
        return [m for m in self.messages if isinstance(m, kind) and getattr(m, "job", None) == job]

    def first(self, kind: type, job: str, **more: Any) -> Any:
        return self.until(lambda: next(iter(self.of(kind, job)), None), **more)

    def state(self, job: str, *states: str, seconds: float = SECONDS) -> str:
        """Waits until the job was in one of the states, and gives it."""
        return str(
            self.until(
                lambda: next((m.state for m in self.of(JobState, job) if m.state in states), None), seconds=seconds
            )
        )

    def result(self, job: str) -> tuple[list[bytes], bytes]:
        """The bytes of all frames as on the wire, and of the trained morph."""
        finished: Finished = self.first(Finished, job)
        frames = self.of(Frame, job)
        assert [frame.seq for frame in frames] == list(range(len(frames)))
        return [joined(frame) for frame in frames], finished.morph.tobytes()

    def run(self, request: MorphRequest, job: str | None = None) -> str:
        """Submits a job and waits for its end."""
        job = self.client.submit(request, job)
        self.until(lambda: self.of(Finished, job) or self.of(Error, job))
        return job

    def ended(self, job: str) -> str:
        """Waits for the end of a job, which must be a good one."""
        self.until(lambda: self.of(Finished, job) or self.of(Error, job))
        assert not self.of(Error, job)
        return job

    def finished(self, request: Request) -> str:
        """A job that ended well."""
        return self.ended(self.client.submit(request))

    def close(self) -> None:
        self.client.close()

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def joined(message: Message) -> bytes:
    """A message as one string of bytes."""
    return b"|".join(bytes(part) for part in encode(message))


def grid(n: int, lift: float = 0.0) -> MeshData:
    """A square of n x n vertices, bent upwards by ``lift``."""
    u, v = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, n), indexing="ij")
    number = np.arange(n * n).reshape(n, n)
    quads = np.stack([number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]], axis=-1).reshape(-1, 4)
    positions = np.stack([u, v, lift * u * u], axis=-1).reshape(-1, 3)
    return MeshData.from_positions(positions, np.arange(0, 4 * len(quads) + 1, 4), quads.ravel())


def scripted(follower: Follower, *, n: int = 8, frames: int = 6, previews: int = 0, **settings: Any) -> MorphRequest:
    """A request for the scripted method."""
    return MorphRequest(
        source=grid(n),
        target=grid(n, 0.5),
        method="scripted",
        etag=follower.method("scripted").etag,
        settings=settings,
        timeline=Timeline(frames=frames),
        device="cpu",
        preview_frames=previews,
    )


def wait_for(holds: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """Waits until ``holds`` gives something true, and gives that."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return found


def gone(pids: list[int]) -> bool:
    """Whether none of the processes runs any more."""

    def ended(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    return all(ended(pid) for pid in pids)


def cut_short(journal: Path, job: str, *missing: str) -> None:
    """The journal as a killed server leaves it, to which nobody told the end of a job; without some of its files."""
    folder = journal / f"job-{job}"
    for name in missing:
        (folder / name).unlink()
    record = json.loads((folder / "job.json").read_text())
    (folder / "job.json").write_text(json.dumps(record | {"state": "running", "ended": 0.0}))


def renamed(frames: list[bytes], job: str, other: str) -> list[bytes]:
    """Frames of a job as those of another."""
    return [part.replace(job.encode(), other.encode()) for part in frames]


@contextmanager
def backend_and_client(folder: Path, *options: str, **more: Any) -> Iterator[tuple[Backend, Follower]]:
    """Both, ready, with a warm worker."""
    with Backend(folder, *options, **more) as backend, Follower(backend.endpoint) as follower:
        follower.run(scripted(follower, steps=0, frames=2))
        yield backend, follower
