"""A client to be killed: ``python -m tests.chaos.client_process CONNECTION JOB RECORD`` notes every frame it took."""

from __future__ import annotations

import sys
from pathlib import Path

from protocol.endpoint import read_connection_file
from protocol.messages import Frame
from tests.service.harness import Follower, scripted


def main() -> None:
    connection, job, record = sys.argv[1:]
    with Follower(read_connection_file(connection), session="the-same-artist", credit=1) as follower:
        request = scripted(follower, steps=2, frames=12, frame_seconds=0.1)
        follower.client.submit(request, job)
        with Path(record).open("ab", buffering=0) as notes:
            while True:
                count = len(follower.of(Frame, job))
                follower.until(lambda count=count: len(follower.of(Frame, job)) > count)  # type: ignore[misc]
                notes.write(b"frame")


if __name__ == "__main__":
    main()
