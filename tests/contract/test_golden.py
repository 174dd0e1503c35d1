"""What past versions sent can still be read, and what is sent now is byte for byte what was promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from protocol.messages import PROTOCOL
from protocol.wire import decode, encode
from tests.contract.golden import FOLDER, folder_of, names, unpack
from tests.protocol.same import same
from tests.protocol.samples import messages

SAMPLES = dict(zip(names(), messages(), strict=True))
PAST = sorted(path for path in FOLDER.glob(f"{PROTOCOL[0]}.*/*.bin"))


def named(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def test_the_present_version_has_its_golden_frames() -> None:
    assert sorted(path.name for path in folder_of(PROTOCOL).iterdir()) == sorted(SAMPLES)


@pytest.mark.parametrize("path", PAST, ids=named)
def test_frames_of_every_minor_of_this_major_are_understood(path: Path) -> None:
    assert same(decode(unpack(path.read_bytes())), SAMPLES[path.name])


@pytest.mark.parametrize("path", [path for path in PAST if path.parent.name != "1.0"], ids=named)
def test_older_peers_see_no_field_that_their_version_did_not_have(path: Path) -> None:
    """Fields that are newer than 1.1 are left out where nothing new is asked for."""
    assert [bytes(part) for part in encode(SAMPLES[path.name])] == unpack(path.read_bytes())


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_sent_has_not_changed_by_a_byte(name: str) -> None:
    stored = unpack((folder_of(PROTOCOL) / name).read_bytes())
    assert [bytes(part) for part in encode(SAMPLES[name])] == stored
