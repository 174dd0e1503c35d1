"""The streaming benchmark streams all frames both ways; how fast is for the ``bench`` command to say."""

from __future__ import annotations

from backend.commands.bench.streaming import Streaming, stream


def test_every_frame_is_streamed_in_every_round() -> None:
    found = stream(frames=12, size=(30, 20), rounds=3)
    assert (found.frames, found.frame_bytes) == (12, 30 * 20 * 12)
    assert len(found.bare) == len(found.backend) == 3
    assert min(*found.bare, *found.backend) > 0


def test_the_shares() -> None:
    found = Streaming(2, 1, bare=(10.0, 8.0, 4.0), backend=(5.0, 6.0, 1.0))
    assert found.share == 0.6
    assert found.median_share == 0.5
