"""The streaming benchmark streams in all its ways; how fast is for the ``bench`` command to say."""

from __future__ import annotations

from backend.evaluation.bench_stream import bench_stream


def test_every_way_streams_all_frames() -> None:
    result = bench_stream(count=12, triangles=2000, rounds=1)
    assert result.frames == 12
    assert 0.04 < result.megabytes_per_frame < 0.05
    assert min(result.bare, result.wire, result.client) > 0
    assert result.wire_share == result.wire / result.bare
    assert result.client_share == result.client / result.bare
