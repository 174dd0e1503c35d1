"""The worker process: runs one job after another on one device. Started by ``worker_process``, never by hand.

It ends when its server does, however that happens: its standard input closes, and on Linux the kernel is asked to
kill it as well, which also reaches a worker that is deep in native code.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import IO, Final

from backend.service.link import Begin, Hurry, Outbox, Ready, Stop, read
from backend.service.wishes import Wishes

_PR_SET_PDEATHSIG: Final = 1


def main(argv: list[str] | None = None) -> int:
    """Serves jobs until the server closes the link."""
    parser = argparse.ArgumentParser(prog="backend.service.worker")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--server-pid", type=int, required=True)
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the server's to answer
    end_with_server(arguments.server_pid)
    outbox = Outbox(_take_over_stdout())
    begins: queue.SimpleQueue[Begin] = queue.SimpleQueue()
    wishes = Wishes()
    threading.Thread(target=_listen, args=(_take_over_stdin(), begins, wishes), name="link", daemon=True).start()

    from backend.service.job_run import Worker  # torch, and seconds: only now, while the link already beats

    worker = Worker(arguments.device, arguments.threads, outbox)
    outbox.send(Ready(worker.catalogue()))
    while True:
        begin = begins.get()
        outbox.send(worker.run(begin, wishes))


def end_with_server(server_pid: int) -> None:
    """Asks Linux to kill this process with its server, and to prefer it to the server when memory runs out."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server_pid:  # it ended before the line above
        os._exit(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def _listen(stream: IO[bytes], begins: queue.SimpleQueue[Begin], wishes: Wishes) -> None:
    while True:
        message = read(stream)
        if isinstance(message, Begin):
            wishes.begin(message)
            begins.put(message)
        elif isinstance(message, Stop):
            wishes.stop(message.job)
        elif isinstance(message, Hurry):
            wishes.hurry(message.job)
        elif message is None:
            os._exit(0)  # the server has gone; nothing of a job is lost that the journal does not have


def _take_over_stdout() -> IO[bytes]:
    """The link's stream; whatever libraries print goes to the log with the errors instead."""
    link = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return link


def _take_over_stdin() -> IO[bytes]:
    link = os.fdopen(os.dup(0), "rb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return link


if __name__ == "__main__":
    sys.exit(main())
