"""The decoder under mutated messages and random bytes: ``WireError`` or a sound message, within the memory limit."""

from __future__ import annotations

from contextlib import suppress

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from protocol.wire import WireError, decode
from tests.contract.soak import MEMORY, soak

ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=20,
)
NAMES = st.sampled_from(
    ["Hello", "Submit", "Frame", "Welcome", "Finished", "Preview", "Error", "Credit", "Match", "Matched", "Surface"]
)


def test_mutated_messages_are_refused_or_sound() -> None:
    outcomes, largest = soak(8000, seed=2026)
    assert largest <= MEMORY
    assert outcomes.total() == 8000
    assert outcomes["decoded"] > 50  # some changes do no harm
    assert outcomes["bad-message"] > 1000
    assert {"too-large", "bad-mesh", "unknown-message"} <= set(outcomes)


@given(st.lists(st.binary(max_size=300), max_size=4))
def test_random_bytes(parts: list[bytes]) -> None:
    with suppress(WireError):
        decode(parts)


@given(NAMES, ANY, ANY, st.lists(st.binary(max_size=40), max_size=3))
def test_random_values_in_a_header(name: str, body: object, arrays: object, parts: list[bytes]) -> None:
    with suppress(WireError):
        decode([msgpack.packb({"type": name, "body": body, "arrays": arrays}), *parts])
