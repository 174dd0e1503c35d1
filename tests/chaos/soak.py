"""Hours of trouble: ``python -m tests.chaos.soak --minutes 10 --seed 0``.

Jobs run one after another on a real backend while workers, servers and connections are killed, stopped and cut at
random moments. Every job must end as it should, with the bytes of an undisturbed run; nothing may pile up or be left.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from protocol.messages import Error, Finished, Frame, Gone, JobState
from tests.chaos.tcp_proxy import TcpProxy
from tests.service.harness import Backend, Follower, gone, scripted, wait_for

TROUBLES = ("none", "cut", "hold", "cancel", "kill worker", "stop worker", "kill server", "end server")
ALLOWED = {
    "none": {"done"},
    "cut": {"done"},
    "hold": {"done"},
    "cancel": {"done", "cancelled"},
    "kill worker": {"done", "worker-died"},
    "stop worker": {"done", "worker-hung"},
    "kill server": {"done"},
    "end server": {"done"},
}


class Soak:
    """A backend behind a proxy, and the client session that outlives both."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self._pids: list[int] = []
        self.ends: Counter[tuple[str, str]] = Counter()
        self._start()
        self._expected = self._digest(self._follower.run(self._request()))

    def _start(self) -> None:
        self._backend = Backend(self._folder, "--hang", "1.5")
        self._proxy = TcpProxy(self._backend.endpoint)
        self._follower = Follower(self._proxy.endpoint, session="soak")
        self._follower.welcome()
        self._pids = [self._backend.process.pid, self._backend.worker().pid]

    def _stop(self, kill: bool) -> None:
        self._follower.close()
        self._proxy.__exit__()
        self._pids += [child.pid for child in psutil.Process(self._backend.process.pid).children()]
        self._backend.kill() if kill else self._backend.close()
        wait_for(lambda: gone(self._pids), 2.0)

    def _request(self) -> object:
        return scripted(self._follower, n=40, steps=20, step_seconds=0.02, frames=10, frame_seconds=0.03)

    def _digest(self, job: str) -> str:
        frames = self._follower.of(Frame, job)
        assert [frame.seq for frame in frames] == list(range(10)), [frame.seq for frame in frames]
        return hashlib.sha256(b"".join(frame.vertices.tobytes() for frame in frames)).hexdigest()

    def round(self) -> None:
        """One job, one trouble."""
        trouble = self._random.choice(TROUBLES)
        job = self._follower.client.submit(self._request())  # type: ignore[arg-type]
        self._follower.first(JobState, job)
        pause = time.monotonic() + self._random.uniform(0.0, 1.2)
        self._follower.until(lambda: time.monotonic() > pause)
        self._make(trouble, job)
        self._follower.until(lambda: self._end(job))
        end = self._end(job)
        assert end in ALLOWED[trouble], (trouble, end, self._follower.of(Error, job))
        if end == "done":
            assert self._digest(job) == self._expected, trouble
        self.ends[trouble, end] += 1
        self._follower.messages.clear()

    def _end(self, job: str) -> str:
        assert not self._follower.of(Gone, job)
        if self._follower.of(Finished, job):
            return "done"
        failures = self._follower.of(Error, job)
        if failures:
            return str(failures[0].code)
        return "cancelled" if "cancelled" in [m.state for m in self._follower.of(JobState, job)] else ""

    def _make(self, trouble: str, job: str) -> None:
        if trouble == "cut":
            self._proxy.cut()
        elif trouble == "hold":
            self._proxy.hold()
            self._follower.until(lambda end=time.monotonic() + 1.0: time.monotonic() > end)  # type: ignore[misc] # noqa: B008
            self._proxy.release()
        elif trouble == "cancel":
            self._follower.client.cancel(job)
        elif trouble in ("kill worker", "stop worker"):
            self._backend.worker().send_signal(signal.SIGKILL if trouble == "kill worker" else signal.SIGSTOP)
        elif trouble in ("kill server", "end server"):
            before = self._follower.messages
            self._stop(kill=trouble == "kill server")
            self._start()
            self._follower.messages[:0] = before
            if not self._end(job):
                self._follower.client.resume(job, len(self._follower.of(Frame, job)))

    def state(self) -> str:
        server = psutil.Process(self._backend.process.pid)
        return f"{server.memory_info().rss / 1e6:.0f} MB, {server.num_fds()} files, {server.num_threads()} threads"

    def close(self) -> None:
        self._stop(kill=False)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    end = time.monotonic() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), arguments.seed)
        while time.monotonic() < end:
            soak.round()
            if sum(soak.ends.values()) % 10 == 0:
                sys.stdout.write(f"{sum(soak.ends.values())} jobs; server: {soak.state()}\n")
                sys.stdout.flush()
        soak.close()
    for (trouble, ended), count in sorted(soak.ends.items()):
        sys.stdout.write(f"{trouble}: {count} {ended}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
