"""Messages to ZeroMQ frames and back: ``[header | array | array ...]``. ``docs/PROTOCOL.md`` is normative.

The header is one msgpack map: the message's name, its fields, and type and shape of every array. The arrays follow
as raw little-endian bytes and are never copied on the way: send with ``copy=False`` and leave the arrays unchanged
until they are gone; decoded arrays are read-only views of what was received.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import zmq

from protocol.checks import JOB
from protocol.codec import DTYPES, Array, Transfer, code_of, codec, pack_plain, unpack_plain, whole, wrong
from protocol.limits import LIMITS, SOCKET_FRAME, Limits, WireError
from protocol.messages import CLIENT_MESSAGES, SERVER_MESSAGES, Message

__all__ = ["LIMITS", "SOCKET_FRAME", "Limits", "WireError", "decode", "encode"]

Part = bytes | bytearray | memoryview | zmq.Frame

TYPES: dict[str, type] = {kind.__name__: kind for kind in (*CLIENT_MESSAGES, *SERVER_MESSAGES)}


def encode(message: Message, limits: Limits = LIMITS) -> list[bytes | memoryview]:
    """The frames of a message. ``WireError`` where a field has the wrong type or is too large."""
    name = type(message).__name__
    if TYPES.get(name) is not type(message):
        raise WireError("unknown-message", f"{name} is no message of the protocol")
    transfer = Transfer(limits)
    kind: Any = type(message)
    body = codec(kind).pack(message, transfer, name)
    shapes = [[code_of(array.dtype), list(array.shape)] for array in transfer.arrays]
    header = pack_plain({"type": name, "body": body, "arrays": shapes}, name)
    if len(header) > limits.header:
        raise WireError("too-large", f"the header of {name} has {len(header)} bytes: {limits.header} at most")
    total = len(header) + sum(array.nbytes for array in transfer.arrays)
    if total > limits.message:
        raise WireError("too-large", f"{name} has {total} bytes: {limits.message} at most")
    return [header, *(_raw(array) for array in transfer.arrays)]


def decode(parts: Sequence[Part], limits: Limits = LIMITS) -> Message:
    """The message of received frames (without routing identity). ``WireError`` for whatever is not sound."""
    buffers = [memoryview(part.buffer if isinstance(part, zmq.Frame) else part) for part in parts]
    if not buffers:
        raise WireError("bad-message", "the message is empty")
    if buffers[0].nbytes > limits.header:
        raise WireError("too-large", f"the header has {buffers[0].nbytes} bytes: {limits.header} at most")
    header = unpack_plain(buffers[0].tobytes(), limits, "the header")
    if not isinstance(header, dict) or not isinstance(name := header.get("type"), str):
        raise WireError("bad-message", "the header is no map with a type")
    if name not in TYPES:
        raise WireError("unknown-message", f"{name[:40]!r} is no message of this version", _job_of(header))
    try:
        transfer = Transfer(limits, _arrays(header.get("arrays"), buffers[1:], limits))
        return cast(Message, codec(TYPES[name]).unpack(header.get("body"), transfer, name))
    except WireError as refused:
        refused.job = _job_of(header)
        raise


def _raw(array: Array) -> bytes | memoryview:
    """The little-endian bytes of an array, as a view where it is contiguous."""
    dtype = DTYPES[code_of(array.dtype)]
    return np.ascontiguousarray(array, dtype).data.cast("B") if array.size else b""


def _arrays(shapes: object, buffers: list[memoryview], limits: Limits) -> list[Array]:
    if not isinstance(shapes, list) or len(shapes) != len(buffers):
        raise WireError("bad-message", f"the header does not describe the {len(buffers)} arrays that follow it")
    if len(buffers) > limits.arrays:
        raise WireError("too-large", f"the message has {len(buffers)} arrays: {limits.arrays} at most")
    largest, total = max((b.nbytes for b in buffers), default=0), sum(b.nbytes for b in buffers)
    if largest > limits.frame or total > limits.message:
        raise WireError(
            "too-large",
            f"the message has {total} bytes ({limits.message} at most), its largest array {largest} "
            f"({limits.frame} at most); use a mesh with fewer vertices",
        )
    return [_view(shape, buffer, i) for i, (shape, buffer) in enumerate(zip(shapes, buffers, strict=True))]


def _view(described: object, buffer: memoryview, index: int) -> Array:
    """A read-only view of one received array."""
    if not isinstance(described, list) or len(described) != 2 or not isinstance(described[1], list):
        raise wrong(f"array {index}", described, "a type and a shape")
    code, shape = described
    if not isinstance(code, str) or code not in DTYPES:
        raise WireError("bad-message", f"array {index} has type {str(code)[:40]!r}; allowed are {', '.join(DTYPES)}")
    if not 1 <= len(shape) <= 4:
        raise WireError("bad-message", f"array {index} has {len(shape)} dimensions; it must have 1 to 4")
    size = math.prod(whole(length) for length in shape) * DTYPES[code].itemsize
    if size != buffer.nbytes:
        raise WireError("bad-message", f"array {index} has {buffer.nbytes} bytes; its shape asks for {size}")
    if max(shape) > 2**31:  # an empty array may still have another length that no array can have
        raise WireError("bad-message", f"array {index} has a length of {max(shape)}")
    array: Array = np.frombuffer(buffer, DTYPES[code]).reshape(shape)
    if not array.flags.aligned:  # small frames may lie anywhere in ZeroMQ's receive buffer
        array = array.copy()
    array.flags.writeable = False
    return array


def _job_of(header: dict[str, object]) -> str:
    """The job a refused message was about, if it says so legibly."""
    body = header.get("body")
    job = body.get("job") if isinstance(body, dict) else None
    return job if isinstance(job, str) and JOB.match(job) else ""
