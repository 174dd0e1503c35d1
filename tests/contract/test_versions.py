"""Old and new on both sides: equal majors talk, other majors are refused in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgpack
import pytest
import zmq
from hypothesis import given
from hypothesis import strategies as st

from protocol.messages import Error, Hello, Message, Ping, Pong, Refused, Welcome
from protocol.version import negotiate
from protocol.wire import decode, encode
from tests.protocol.small_backend import SmallBackend

VERSIONS = [(1, 0), (1, 4), (2, 0), (2, 9)]


class Peer:
    """A client made of a bare socket, so that it can be of any version."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self.socket = socket

    def say(self, *parts: bytes | memoryview) -> Message:
        self.socket.send_multipart(parts)
        assert self.socket.poll(5000)
        return decode(self.socket.recv_multipart())


@contextmanager
def peer_of(backend: SmallBackend) -> Iterator[Peer]:
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(backend.endpoint.address)
        yield Peer(socket)


@pytest.mark.parametrize("server", VERSIONS)
@pytest.mark.parametrize("client", VERSIONS)
def test_every_pair_of_versions_talks_or_is_told_why_not(client: tuple[int, int], server: tuple[int, int]) -> None:
    with SmallBackend(version=server) as backend, peer_of(backend) as peer:
        answer = peer.say(*encode(Hello(client, "old or new", "s", backend.endpoint.token)))
        if client[0] == server[0]:
            assert isinstance(answer, Welcome)
            assert answer.protocol == (client[0], min(client[1], server[1]))
            assert isinstance(peer.say(*encode(Ping(5))), Pong)
        else:
            assert isinstance(answer, Refused)
            assert answer.supported == server
            assert str(client[0]) in answer.reason
            assert str(server[0]) in answer.reason


def test_a_newer_client_may_say_more_and_unknown_messages_do_no_harm() -> None:
    with SmallBackend() as backend, peer_of(backend) as peer:
        hello = msgpack.unpackb(encode(Hello((1, 7), "newer", "s", backend.endpoint.token))[0])
        hello["body"] |= {"capabilities": ["zstd"], "locale": "de"}
        hello["checksum"] = 5
        assert isinstance(peer.say(msgpack.packb(hello)), Welcome)
        answer = peer.say(msgpack.packb({"type": "Pause", "body": {"job": "job-1"}, "arrays": []}))
        assert isinstance(answer, Error)
        assert (answer.code, answer.job) == ("unknown-message", "job-1")
        assert isinstance(peer.say(*encode(Ping(6))), Pong)


MINOR = st.tuples(st.integers(0, 3), st.integers(0, 20))


@given(MINOR, MINOR)
def test_both_sides_come_to_the_same_version(one: tuple[int, int], other: tuple[int, int]) -> None:
    spoken = negotiate(one, other)
    assert spoken == negotiate(other, one)
    assert (spoken is None) == (one[0] != other[0])
    assert spoken is None or (spoken <= one and spoken <= other and negotiate(spoken, one) == spoken)
