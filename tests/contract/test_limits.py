"""One byte over each limit is an Error message on a connection that stays, and the memory stays bounded."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import fields

import msgpack
import numpy as np
import pytest
import zmq

from protocol.limits import LIMITS, SOCKET_FRAME
from protocol.messages import Error, Hello, Message, Ping, Pong, Submit, Welcome
from protocol.wire import WireError, decode, encode
from tests.contract.test_versions import Peer, peer_of
from tests.protocol.samples import request
from tests.protocol.small_backend import SmallBackend


def header_of(size: int) -> bytes:
    """A Ping whose header has exactly ``size`` bytes, filled up with fields of a newer minor."""
    filler = {f"x{i}": "y" * 16_000 for i in range(4)}
    plain = {"type": "Ping", "body": {"nonce": 1, **filler, "z": ""}, "arrays": []}
    for _ in range(3):  # the length of a text is itself written in one to three bytes
        plain["body"]["z"] = "z" * (len(plain["body"]["z"]) + size - len(msgpack.packb(plain)))
    return msgpack.packb(plain)


def points(count: int) -> list[bytes | np.ndarray]:
    """A Submit whose source has ``count`` vertices."""
    header, *arrays = encode(Submit("job-1", request()))
    plain = msgpack.unpackb(header)
    plain["arrays"][0][1] = [count, 3]
    return [msgpack.packb(plain), np.zeros((count, 3), np.float32), *map(bytes, arrays[1:])]


def faces(count: int) -> list[bytes | np.ndarray]:
    header, *arrays = encode(Submit("job-1", request()))
    plain = msgpack.unpackb(header)
    plain["arrays"][1][1] = [count + 1]
    return [msgpack.packb(plain), bytes(arrays[0]), np.zeros(count + 1, np.int32), *map(bytes, arrays[2:])]


def with_list(count: int) -> list[bytes]:
    return [msgpack.packb({"type": "Ping", "body": {"nonce": 1, "x": [0] * count}, "arrays": []})]


def with_text(count: int) -> list[bytes]:
    return [msgpack.packb({"type": "Ping", "body": {"nonce": 1, "x": "y" * count}, "arrays": []})]


def with_report(size: int) -> list[bytes]:
    """A Finished whose report has exactly ``size`` bytes."""
    texts = {f"{i:05}": "x" * 10_000 for i in range(size // 10_009)} | {"z": ""}
    for _ in range(3):
        texts["z"] = "z" * (len(texts["z"]) + size - len(msgpack.packb(texts)))
    report = msgpack.packb(texts)
    assert len(report) == size
    body = {"job": "job-1", "report": 0, "morph": 1}
    return [msgpack.packb({"type": "Finished", "body": body, "arrays": [["u1", [size]], ["u1", [0]]]}), report, b""]


def with_arrays(count: int) -> list[bytes]:
    return [msgpack.packb({"type": "Ping", "body": {"nonce": 1}, "arrays": [["u1", [1]]] * count}), *[b"x"] * count]


OVER: dict[str, Callable[[int], list[bytes | np.ndarray]]] = {
    "header": lambda more: [header_of(LIMITS.header + more)],
    "vertices": lambda more: points(LIMITS.vertices + more),
    "faces": lambda more: faces(LIMITS.faces + more),
    "items": lambda more: with_list(LIMITS.items + more),
    "text": lambda more: with_text(LIMITS.text + more),
    "document": lambda more: with_report(LIMITS.document + more),
}


@pytest.mark.parametrize("limit", OVER)
def test_the_limit_itself_passes_and_one_more_does_not(limit: str) -> None:
    try:
        decode(OVER[limit](0))  # type: ignore[arg-type]
    except WireError as other:  # counts that are within the limit may still describe no mesh
        assert (limit in ("vertices", "faces"), other.code) == (True, "bad-mesh")  # noqa: PT017
    with pytest.raises(WireError) as caught:
        decode(OVER[limit](1))  # type: ignore[arg-type]
    assert caught.value.code == "too-large"


def test_more_arrays_than_allowed_do_not_even_fit_the_list() -> None:
    decode(with_arrays(LIMITS.arrays))
    with pytest.raises(WireError) as caught:
        decode(with_arrays(LIMITS.arrays + 1))
    assert caught.value.code == "too-large"


def test_every_limit_is_bounded_by_a_test() -> None:
    elsewhere = {"frame", "message", "arrays", "depth"}  # the others of this file, and tests/protocol/test_wire.py
    assert {field.name for field in fields(LIMITS)} == {*OVER, *elsewhere}


def greeted(backend: SmallBackend, peer: Peer) -> None:
    assert isinstance(peer.say(*encode(Hello((1, 0), "a", "s", backend.endpoint.token))), Welcome)


def refusal(answer: Message) -> tuple[str, str]:
    assert isinstance(answer, Error)
    assert answer.message
    return answer.code, answer.job


def test_a_frame_one_byte_too_large_is_answered_and_the_line_stays() -> None:
    with SmallBackend() as backend, peer_of(backend) as peer:
        greeted(backend, peer)
        large = np.zeros(LIMITS.frame + 1, np.uint8).data
        header, *arrays = encode(Submit("job-1", request()))
        peer.socket.send_multipart([header, large, *arrays[1:]], copy=False)
        assert peer.socket.poll(60_000)
        assert refusal(decode(peer.socket.recv_multipart())) == ("too-large", "job-1")
        assert refusal(peer.say(header_of(LIMITS.header + 1))) == ("too-large", "")
        assert isinstance(peer.say(*encode(Ping(2))), Pong)
        assert backend.jobs == {}


def test_a_frame_above_the_guard_cuts_the_line_before_it_is_taken_in() -> None:
    with SmallBackend() as backend, peer_of(backend) as peer:
        greeted(backend, peer)
        monitor = peer.socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        peer.socket.send(np.zeros(SOCKET_FRAME + 1, np.uint8).data, copy=False)
        assert monitor.poll(30_000)
        peer.socket.disable_monitor()
        monitor.close()
        assert all(not isinstance(message, Submit) for message in backend.seen)


BOMBS = {
    "lists that promise much, nested": b"\xdd\x00\x00\x10\x00" * 13_000,
    "lists that promise more than is allowed": b"\xdd\x7f\xff\xff\xff" * 13_000,
    "maps that promise much": b"\xdf\x00\x00\x10\x00\xa1a" * 9_000,
    "deep": b"\x91" * 65_000,
    "a text that promises much": b"\xdb\x7f\xff\xff\xff" + b"a" * 60_000,
    "short lists, many": b"\xdc\x0f\xff" + b"\xdc\x0f\xff" * 4095,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_header_cannot_make_much_memory(bomb: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            decode([BOMBS[bomb]])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 48 * 2**20


def test_a_shape_that_promises_much_sets_nothing_aside() -> None:
    header = msgpack.packb({"type": "Ping", "body": {"nonce": 1}, "arrays": [["f8", [2**31, 2**20]]]})
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match="asks for"):
            decode([header, b"x"])
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
