"""Files of arrays and facts: what was written comes back, and what was changed on the disk is told."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import save

from backend.fact_file import fact_file, parse_fact_file
from protocol.settings import SettingError

ARRAYS = {"places": np.random.default_rng(0).normal(size=(40, 3)), "faces": np.arange(12).reshape(4, 3)}
FACTS = {"method": "linear", "seed": 3, "name": 64 * "0"}


def test_arrays_and_facts_come_back() -> None:
    data = fact_file("some-1", ARRAYS, FACTS)
    arrays, facts = parse_fact_file(data, "some-1", "no such file")
    assert {name: array.tobytes() for name, array in arrays.items()} == {k: v.tobytes() for k, v in ARRAYS.items()}
    assert facts.keys() == {"format", "version", *FACTS}
    assert {name: facts[name] for name in FACTS} == FACTS
    assert fact_file("some-1", arrays, facts) == data


def test_changed_bytes_are_told_wherever_they_are() -> None:
    data = fact_file("some-1", ARRAYS, FACTS)
    seed = data.index(b'seed\\": 3') + 8
    tensors = 8 + int.from_bytes(data[:8], "little")
    for place in (seed, tensors, tensors + 77, len(data) - 1):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(SettingError, match=r"no such file \(the file is damaged.*copy it again"):
            parse_fact_file(bytes(changed), "some-1", "no such file")


def test_files_without_a_checksum_are_read() -> None:
    earlier = save(ARRAYS, {"tweenfield": '{"format": "some-1", "seed": 3}'})
    assert parse_fact_file(earlier, "some-1", "no such file")[1] == {"format": "some-1", "seed": 3}
