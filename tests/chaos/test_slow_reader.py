"""A client that grants much and reads nothing: bounded memory, nobody else disturbed, nothing lost."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import zmq

from protocol.endpoint import make_dealer
from protocol.messages import PROTOCOL, Credit, Finished, Frame, Hello, Message, Ping, Progress, Resume
from protocol.wire import decode, encode
from tests.service.harness import Backend, Follower, joined, scripted

LAUNCH = """
import sys
from pathlib import Path
from backend.service.server import ServerOptions, serve
options = ServerOptions(journal=Path(sys.argv[2]), threads=1, high_water_mark=1)
sys.exit(serve(Path(sys.argv[1]), options))
"""


def test_queues_of_one_and_a_client_that_reads_nothing(tmp_path: Path) -> None:
    with Backend(tmp_path, launch=LAUNCH) as backend, Follower(backend.endpoint) as follower:
        follower.run(scripted(follower, steps=0, n=400, frames=60), "bulk")  # 60 frames of 1.9 MB
        expected, _ = follower.result("bulk")
        server = psutil.Process(backend.process.pid)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        context.rcvhwm = context.sndhwm = 1
        slow = make_dealer(context, backend.endpoint)
        slow.rcvbuf = 4096
        slow.connect(backend.endpoint.address)
        before = server.memory_info().rss
        greeting: list[Message] = [
            Hello(PROTOCOL, "slow", "slow", backend.endpoint.token),
            Resume("bulk", 0),
            Credit("bulk", 1024),
        ]
        for message in greeting:
            slow.send_multipart(encode(message))

        started = time.monotonic()
        job = follower.client.submit(scripted(follower, steps=40, step_seconds=0.05, previews=2))
        highest = 0
        while not follower.of(Finished, job):
            slow.send_multipart(encode(Ping(0)))  # it lives, but it does not read
            count = len(follower.messages)
            follower.until(lambda count=count: len(follower.messages) > count)  # type: ignore[misc]
            highest = max(highest, server.memory_info().rss)
        assert highest - before < 40e6, "what is not read piles up in the server"
        assert len([m for m in follower.of(Progress, job) if m.phase == "training"]) >= 5
        phases = follower.of(Finished, job)[0].report["phases"]
        assert phases["training"]["seconds"] < time.monotonic() - started

        frames = []
        while len(frames) < 60:
            assert slow.poll(10_000), f"{len(frames)} frames"
            message = decode(slow.recv_multipart())
            if isinstance(message, Frame):
                frames.append(joined(message))
        assert frames == expected
        slow.close(linger=0)
        context.term()
        assert sys.getsizeof(frames[0]) > 1_000_000
