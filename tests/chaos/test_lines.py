"""Bad lines between a client and a real backend: lost and repeated messages, cut and silent connections."""

from __future__ import annotations

import numpy as np

from protocol.link import Times
from protocol.messages import Error, Finished, Frame, JobState, Matched, MatchRequest, Message
from tests.chaos.tcp_proxy import TcpProxy
from tests.protocol.proxy import Proxy
from tests.service.harness import Backend, Follower, grid, joined, scripted
from tests.service.test_reconstruct import request_of
from tests.service.test_refine import FRAMES, drawn, morph_request


def same_everywhere(follower: Follower, other: Follower, job: str) -> bool:
    """Whether both clients got the same bytes of a job, in order."""
    other.client.resume(job)
    return follower.result(job) == other.result(job)


QUICK = Times(ping=0.1, liveness=1.0, first_retry=0.02, last_retry=0.2, stall=0.3, ask_again=0.05)


def test_lost_and_repeated_messages(backend: tuple[Backend, Follower]) -> None:
    server, other = backend
    random = np.random.default_rng(0)

    def rule(way: str, message: Message) -> int:
        return int(random.choice([0, 1, 2], p=[0.15, 0.7, 0.15]))

    with Proxy(server.endpoint, rule) as proxy, Follower(proxy.endpoint, times=QUICK) as follower:
        job = follower.client.submit(scripted(other, steps=2, frames=30))
        follower.first(Finished, job)
        assert len(follower.of(Frame, job)) == 30
        assert same_everywhere(follower, other, job)


def test_connections_cut_in_the_middle_of_a_frame(backend: tuple[Backend, Follower]) -> None:
    server, other = backend
    request = scripted(other, steps=1, n=100, frames=30)  # 3.6 MB of frames
    with TcpProxy(server.endpoint, cut_after=200_000) as proxy, Follower(proxy.endpoint) as follower:
        job = follower.client.submit(request)
        follower.first(Finished, job)
        assert proxy.cuts >= 3
        assert same_everywhere(follower, other, job)


def test_matches_over_a_line_that_loses_and_repeats(backend: tuple[Backend, Follower]) -> None:
    random = np.random.default_rng(1)

    def rule(way: str, message: Message) -> int:
        return int(random.choice([0, 1, 2], p=[0.25, 0.5, 0.25]))

    with Proxy(backend[0].endpoint, rule) as proxy, Follower(proxy.endpoint, times=QUICK) as follower:
        jobs = [follower.client.submit(MatchRequest(grid(n), grid(n, 0.5))) for n in range(3, 15)]
        for n, job in enumerate(jobs, 3):
            answer: Matched = follower.first(Matched, job)
            np.testing.assert_array_equal(answer.vertices, np.arange(n * n))
            np.testing.assert_array_equal(answer.points, grid(n, 0.5).vertices)
        assert follower.client.jobs == ()
        assert [len(follower.of(Matched, job)) for job in jobs] == [1] * len(jobs)
        assert not [m for m in follower.messages if isinstance(m, Error)]


def test_outlines_and_images_over_a_line_that_loses_and_repeats(backend: tuple[Backend, Follower]) -> None:
    server, other = backend
    base = other.run(morph_request(other))
    random = np.random.default_rng(2)

    def rule(way: str, message: Message) -> int:
        return int(random.choice([0, 1, 2], p=[0.25, 0.5, 0.25]))

    with Proxy(server.endpoint, rule) as proxy, Follower(proxy.endpoint, times=QUICK) as follower:
        jobs = [follower.client.refine(base, drawn(frame=frame, preview=True)) for frame in (1, 2, 3)]
        jobs += [follower.client.submit(request_of(preview=True)) for _ in range(3)]
        for job, frames in zip(jobs, (FRAMES, FRAMES, FRAMES, 1, 1, 1), strict=True):
            follower.first(Finished, job)
            assert len(follower.of(Frame, job)) == frames
            assert same_everywhere(follower, other, job)
        assert follower.client.jobs == ()
        assert not [m for m in follower.messages if isinstance(m, Error)]


def test_a_silent_line_is_left_and_the_stream_taken_up(backend: tuple[Backend, Follower]) -> None:
    server, other = backend
    with TcpProxy(server.endpoint) as proxy, Follower(proxy.endpoint, credit=2) as follower:
        job = follower.client.submit(scripted(other, steps=1, frames=40, frame_seconds=0.02))
        follower.until(lambda: len(follower.of(Frame, job)) >= 5)
        proxy.hold()
        follower.until(lambda: follower.client.state == "lost")
        proxy.cut()
        proxy.release()
        follower.first(Finished, job)
        assert same_everywhere(follower, other, job)
        assert other.of(JobState, job)[0].state == "done"
        assert [joined(f) for f in follower.of(Frame, job)] == [joined(f) for f in other.of(Frame, job)]
