"""Messages to frames and back: every message, no copies, and what either direction refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest
import zmq
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.messages import (
    CLIENT_MESSAGES,
    SERVER_MESSAGES,
    Cancel,
    Error,
    Finished,
    Frame,
    Message,
    Ping,
    Progress,
    Submit,
    Timeline,
    Welcome,
)
from protocol.wire import Limits, WireError, decode, encode
from tests.protocol.same import same
from tests.protocol.samples import messages, method, request, square

NAMES = [f"{i}-{type(m).__name__}" for i, m in enumerate(messages())]


def over(message: Message) -> Message:
    return decode([bytes(part) for part in encode(message)])


@pytest.mark.parametrize("message", messages(), ids=NAMES)
def test_every_message_comes_back(message: Message) -> None:
    back = over(message)
    assert same(back, message)
    assert not same(back, replace(message, job="other") if hasattr(message, "job") else None)


def test_there_is_a_sample_of_every_message() -> None:
    assert {type(message) for message in messages()} == {*CLIENT_MESSAGES, *SERVER_MESSAGES}


def test_the_etag_survives_the_way() -> None:
    welcome = next(m for m in messages() if isinstance(m, Welcome))
    back = over(welcome)
    assert isinstance(back, Welcome)
    assert back.methods[0].etag == method().etag


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
    max_leaves=30,
)


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=20), PLAIN, max_size=8), st.binary(max_size=200))
def test_any_plain_report_comes_back(report: dict[str, Any], data: bytes) -> None:
    message = Finished("a", report, np.frombuffer(data, np.uint8))
    try:
        parts = encode(message)
    except WireError as refused:
        assert "nested deeper" in refused.message  # noqa: PT017
        return
    assert same(decode(parts), message)


@given(st.floats(), st.integers(0, 2**40), st.text(max_size=100))
def test_any_progress_comes_back(loss: float, step: int, phase: str) -> None:
    message = Progress("a", phase, step, 0, loss, 0.0, None)
    assert same(over(message), message)


def test_large_arrays_are_never_copied() -> None:
    vertices = np.zeros((100_000, 3), np.float32)
    parts = encode(Frame("a", 0, 1, 0.0, vertices, np.zeros(3), 1.0))
    assert np.shares_memory(np.frombuffer(parts[1], np.float32), vertices)
    received = [zmq.Frame(part) for part in parts]
    message = decode(received)
    assert isinstance(message, Frame)
    assert np.shares_memory(message.vertices, vertices)
    with pytest.raises(ValueError, match="read-only"):
        message.vertices[0] = 1


def test_received_arrays_are_aligned_wherever_they_lay() -> None:
    for shift in range(9):
        parts = []
        for part in encode(Submit("a", request())):
            space = bytearray(shift + len(part))
            space[shift:] = part
            parts.append(memoryview(space)[shift:])
        message = decode(parts)
        assert same(message, Submit("a", request()))
        assert isinstance(message, Submit)
        for array in (message.request.source.vertices, message.request.source.origin, message.request.pairs):
            assert array is not None
            assert array.flags.aligned


def test_arrays_of_other_layouts_travel_by_value() -> None:
    wide = np.arange(24, dtype=np.float32).reshape(4, 6)
    for vertices in (wide[:, ::2], np.asfortranarray(wide[:, :3]), wide[::-1, :3], wide[:, :3].astype(">f4")):
        message = over(Frame("a", 0, 1, 0.0, vertices, np.zeros(3), 1.0))
        assert isinstance(message, Frame)
        np.testing.assert_array_equal(message.vertices, vertices)


def test_an_error_always_fits() -> None:
    error = over(Error("internal", "é" * 100_000, "\N{SNAKE}" * 100_000 + "the end"))
    assert isinstance(error, Error)
    assert error.detail.endswith("the end")


SENT_WRONG: dict[str, tuple[str, Callable[[], Any]]] = {
    "no message": ("unknown-message", lambda: Timeline()),
    "float64 vertices": ("bad-message", lambda: Frame("a", 0, 1, 0.0, np.zeros((1, 3)), np.zeros(3), 1.0)),
    "a list for an array": ("bad-message", lambda: Frame("a", 0, 1, 0.0, [[0, 0, 0]], np.zeros(3), 1.0)),
    "objects": ("bad-message", lambda: replace_attribute(np.array([None] * 5))),
    "int64 attribute": ("bad-message", lambda: replace_attribute(np.zeros(5, np.int64))),
    "bool attribute": ("bad-message", lambda: replace_attribute(np.zeros(5, bool))),
    "text attribute": ("bad-message", lambda: replace_attribute(np.array(["a"] * 5))),
    "complex attribute": ("bad-message", lambda: replace_attribute(np.zeros(5, complex))),
    "structured attribute": ("bad-message", lambda: replace_attribute(np.zeros(5, [("a", "f4")]))),
    "a float for an int": ("bad-message", lambda: Ping(1.5)),
    "a bool for an int": ("bad-message", lambda: Ping(True)),
    "65 bits": ("bad-message", lambda: Ping(2**63)),
    "bytes for a text": ("bad-message", lambda: Cancel(b"a")),
    "a lone surrogate": ("bad-message", lambda: Error("a", "\ud800")),
    "an array in a report": ("bad-message", lambda: Finished("a", {"x": np.zeros(3)}, np.zeros(0, np.uint8))),
    "an object in a report": ("bad-message", lambda: Finished("a", {"x": object()}, np.zeros(0, np.uint8))),
    "a number as key": ("bad-message", lambda: Finished("a", {1: 2}, np.zeros(0, np.uint8))),
    "a deep report": ("too-large", lambda: Finished("a", {"x": [[[[[[[[[[1]]]]]]]]]]}, np.zeros(0, np.uint8))),
    "a long list": ("too-large", lambda: Finished("a", {"x": [0] * 5000}, np.zeros(0, np.uint8))),
    "a long text": ("too-large", lambda: Error("x" * 20_000, "")),
    "a setting of no kind": ("bad-message", lambda: Submit("a", replace(request(), settings={"a": None}))),
    "an array without dimensions": ("bad-message", lambda: replace_attribute(np.array(1.0, np.float32))),
    "an unknown state": ("bad-message", lambda: replace(messages()[11], state="lost")),
}


def replace_attribute(values: np.ndarray) -> Submit:
    return Submit("a", replace(request(), source=replace(square(), attributes={"x": values})))


@pytest.mark.parametrize("case", SENT_WRONG)
def test_what_cannot_travel_is_refused_by_the_sender(case: str) -> None:
    code, make = SENT_WRONG[case]
    with pytest.raises(WireError) as caught:
        encode(make())
    assert caught.value.code == code


def broken(change: Callable[[dict[str, Any], list[Any]], object], message: Message | None = None) -> list[Any]:
    """The frames of a message after a change of the unpacked header or the arrays."""
    header, *arrays = encode(message or Submit("job-1", request()))
    plain = msgpack.unpackb(header)
    buffers: list[Any] = [bytes(array) for array in arrays]
    change(plain, buffers)
    return [msgpack.packb(plain), *buffers]


def put(*path_and_value: Any) -> Callable[[dict[str, Any], list[Any]], object]:
    """A change that puts a value at a path of the header."""

    def change(header: dict[str, Any], buffers: list[Any]) -> None:
        *path, last, value = path_and_value
        place: Any = header
        for step in path:
            place = place[step]
        place[last] = value

    return change


RECEIVED_WRONG: dict[str, tuple[str, Callable[[dict[str, Any], list[Any]], object]]] = {
    "object dtype": ("bad-message", put("arrays", 0, 0, "O")),
    "bool dtype": ("bad-message", put("arrays", 0, 0, "b1")),
    "half dtype": ("bad-message", put("arrays", 0, 0, "f2")),
    "big endian": ("bad-message", put("arrays", 0, 0, ">f4")),
    "dtype of the wrong kind": ("bad-message", put("arrays", 0, 0, "i4")),
    "a list for a dtype": ("bad-message", put("arrays", 0, 0, ["f4"])),
    "huge shape": ("bad-message", put("arrays", 0, 1, [2**62, 2**62])),
    "negative shape": ("bad-message", put("arrays", 0, 1, [-5, -3])),
    "float shape": ("bad-message", put("arrays", 0, 1, [5.0, 3])),
    "no shape": ("bad-message", put("arrays", 0, 1, [])),
    "five dimensions": ("bad-message", put("arrays", 0, 1, [5, 3, 1, 1, 1])),
    "a length of an empty array": ("bad-message", lambda h, b: (put("arrays", 0, 1, [0, 2**62])(h, b), put_bytes(b))),
    "shape of other size": ("bad-message", put("arrays", 0, 1, [5, 4])),
    "array too few": ("bad-message", lambda header, buffers: buffers.pop()),
    "array too many": ("bad-message", lambda header, buffers: buffers.append(b"")),
    "array number out of range": ("bad-message", put("body", "request", "source", "vertices", 99)),
    "array number negative": ("bad-message", put("body", "request", "source", "vertices", -1)),
    "array number true": ("bad-message", put("body", "request", "source", "vertices", True)),
    "nil for an array": ("bad-message", put("body", "request", "source", "vertices", None)),
    "field missing": ("bad-message", lambda header, buffers: header["body"].pop("job")),
    "body is a list": ("bad-message", put("body", [1])),
    "type is a number": ("bad-message", put("type", 1)),
    "unknown type": ("unknown-message", put("type", "Nonsense")),
    "a class of Python": ("unknown-message", put("type", "MeshData")),
    "arrays is a map": ("bad-message", put("arrays", {})),
    "job with a slash": ("bad-message", put("body", "job", "../etc/passwd")),
    "job empty": ("bad-message", put("body", "job", "")),
    "job with a newline": ("bad-message", put("body", "job", "abc\n")),
    "job too long": ("bad-message", put("body", "job", "a" * 65)),
    "seed as text": ("bad-message", put("body", "request", "seed", "7")),
    "easing unknown": ("bad-setting", put("body", "request", "timeline", "easing", "bounce")),
    "frames 1": ("bad-setting", put("body", "request", "timeline", "frames", 1)),
    "seconds 0": ("bad-setting", put("body", "request", "seconds", 0.0)),
    "seconds nan": ("bad-setting", put("body", "request", "seconds", float("nan"))),
    "correspondence unknown": ("bad-setting", put("body", "request", "correspondence", "magic")),
    "table without pairs": ("bad-table", put("body", "request", "pairs", None)),
    "pairs of three columns": ("bad-table", put("arrays", 14, 1, [2, 3])),
    "weights of another length": ("bad-table", put("body", "request", "weights", 0)),
    "face out of range": ("bad-mesh", lambda header, buffers: buffers.__setitem__(2, np.full(7, 9, "i4").tobytes())),
    "scale 0": ("bad-mesh", put("body", "request", "target", "scale", 0.0)),
    "header is a list": ("bad-message", lambda header, buffers: header.clear()),
}


def put_bytes(buffers: list[Any]) -> None:
    buffers[0] = b""


@pytest.mark.parametrize("case", RECEIVED_WRONG)
def test_what_is_not_sound_is_refused_by_the_receiver(case: str) -> None:
    code, change = RECEIVED_WRONG[case]
    with pytest.raises(WireError) as caught:
        decode(broken(change))
    assert caught.value.code == code
    assert caught.value.message
    assert caught.value.job in ("job-1", "")


def test_a_refusal_names_the_job_where_it_can_be_read() -> None:
    with pytest.raises(WireError) as caught:
        decode(broken(put("body", "request", "seed", -1)))
    assert caught.value.job == "job-1"
    with pytest.raises(WireError) as caught:
        decode(broken(put("body", "job", "NOT LEGAL")))
    assert caught.value.job == ""


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\xc1",
        b"\x80",
        b"\x93\x01",
        msgpack.packb({"type": "Ping", "body": {"nonce": 1}, "arrays": []}) + b"\x00",
        msgpack.packb({"type": "Ping", "body": {"nonce": msgpack.Timestamp(1)}, "arrays": []}),
        msgpack.packb({"type": "Ping", "body": {"nonce": msgpack.ExtType(5, b"x")}, "arrays": []}),
        msgpack.packb({"type": "Ping", "body": {"nonce": b"1"}, "arrays": []}),
        msgpack.packb({1: 2}),
        b"\x81\xa4type\xa2\xff\xff",
        b"\x91" * 2000,
        b"\xdd\x00\x00\xff\xff" * 2000,
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
    ],
)
def test_headers_that_are_none_are_refused(header: bytes) -> None:
    with pytest.raises(WireError) as caught:
        decode([header])
    assert caught.value.code in ("bad-message", "too-large")


def test_no_frames_at_all_are_refused() -> None:
    with pytest.raises(WireError, match="empty"):
        decode([])


def test_fields_of_a_newer_minor_are_passed_over_and_absent_ones_filled() -> None:
    message = decode(broken(put("body", "priority", {"x": [1]})))
    assert same(message, Submit("job-1", request()))
    message = decode(broken(lambda header, buffers: header["body"]["request"].pop("seed")))
    assert isinstance(message, Submit)
    assert message.request.seed == 0
    one_more = broken(lambda header, buffers: (header["arrays"].append(["f4", [2]]), buffers.append(bytes(8))))
    assert same(decode(one_more), Submit("job-1", request()))


def test_smaller_limits_hold_in_both_directions() -> None:
    message = Submit("a", request())
    for limits in (Limits(header=100), Limits(frame=50), Limits(message=300), Limits(arrays=3), Limits(vertices=4)):
        with pytest.raises(WireError) as caught:
            decode(encode(message), limits)
        assert caught.value.code == "too-large"
        if limits.vertices == Limits().vertices:
            with pytest.raises(WireError) as caught:
                encode(message, limits)
            assert caught.value.code == "too-large"
