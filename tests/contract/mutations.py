"""Messages with something wrong in them: bytes, frames, and values of the header changed by dice."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import msgpack

from protocol.wire import encode
from tests.protocol.samples import messages

Parts = list[bytes]

SOUND: list[Parts] = [[bytes(part) for part in encode(message)] for message in messages()]

VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 255, 2**31 - 1, 2**31, 2**32, 2**63 - 1, -(2**63), 2**64 - 1),
    *(0.0, -0.0, 1.5, 1e308, float("nan"), float("inf")),
    *("", "a", "../x", "\x00", "f4", "f8", "i4", "O", "V8", "<f4", "job-1", "Submit", "é" * 40, "x" * 300),
    *([], [0], [1, 2, 3], [[]], ["f4", [1]], ["f4", []], [0] * 200, {}, {"a": 1}, {"type": "Ping"}),
    *(b"", b"abc", msgpack.ExtType(1, b"x"), msgpack.Timestamp(0)),
]
HEADS = [
    *(b"\xdc\xff\xff", b"\xdd\xff\xff\xff\xff", b"\xde\xff\xff", b"\xdf\x7f\xff\xff\xff", b"\x91" * 600),
    *(b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xc9\xff\xff\xff\xff\x01", b"\xc1", b"\xd6\xff" + bytes(4)),
]


def _bytes(parts: Parts, dice: random.Random) -> Parts:
    """One to eight bytes changed, taken out, or put in, in any frame."""
    i = dice.randrange(len(parts)) if dice.random() < 0.3 else 0
    data = bytearray(parts[i])
    for _ in range(dice.randint(1, 8)):
        at = dice.randrange(len(data) + 1)
        kind = dice.random()
        if kind < 0.5 and data:
            data[at % len(data)] = dice.randrange(256)
        elif kind < 0.7:
            del data[at : at + dice.randint(1, 9)]
        elif kind < 0.85:
            data[at:at] = dice.randbytes(dice.randint(1, 9))
        else:
            data[at:at] = dice.choice(HEADS)
    return [*parts[:i], bytes(data), *parts[i + 1 :]]


def _frames(parts: Parts, dice: random.Random) -> Parts:
    """Frames left out, repeated, exchanged, cut, grown, or of another message."""
    parts = list(parts)
    i, j = dice.randrange(len(parts)), dice.randrange(len(parts))
    kind = dice.randrange(6)
    if kind == 0:
        del parts[i]
    elif kind == 1:
        parts.insert(i, parts[j])
    elif kind == 2:
        parts[i], parts[j] = parts[j], parts[i]
    elif kind == 3:
        parts[i] = parts[i][: dice.randrange(len(parts[i]) + 1)]
    elif kind == 4:
        parts[i] += dice.randbytes(dice.randint(1, 100))
    else:
        parts[i:] = dice.choice(SOUND)[1:]
    return parts


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) inside an unpacked header."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


def _values(parts: Parts, dice: random.Random) -> Parts:
    """One to three values of the header replaced, removed, or added."""
    header = msgpack.unpackb(parts[0])
    for _ in range(dice.randint(1, 3)):
        places = list(_places(header))
        if not places:
            break
        container, key = dice.choice(places)
        kind = dice.random()
        if kind < 0.7:
            container[key] = deepcopy(dice.choice(VALUES))
        elif kind < 0.8:
            del container[key]
        elif isinstance(container, dict):
            container[dice.choice(["type", "body", "arrays", "job", "x", "source"])] = deepcopy(dice.choice(VALUES))
        else:
            container.insert(key, deepcopy(dice.choice(VALUES)))
    return [msgpack.packb(header), *parts[1:]]


def _other_body(parts: Parts, dice: random.Random) -> Parts:
    """The body of one message under the name of another."""
    header, other = msgpack.unpackb(parts[0]), msgpack.unpackb(dice.choice(SOUND)[0])
    header["type"] = other["type"]
    return [msgpack.packb(header), *parts[1:]]


MUTATIONS: list[Callable[[Parts, random.Random], Parts]] = [_bytes, _bytes, _frames, _values, _values, _other_body]


def mutated(count: int, seed: int) -> Iterator[Parts]:
    """``count`` messages, each with one or two mutations; the same for the same seed."""
    dice = random.Random(seed)
    for _ in range(count):
        parts = dice.choice(MUTATIONS)(dice.choice(SOUND), dice)
        if parts and dice.random() < 0.3:
            parts = _bytes(parts, dice)
        yield parts
