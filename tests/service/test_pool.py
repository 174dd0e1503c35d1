"""Which worker a job may go to, on machines that this one is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.service.pool import Pool


@pytest.mark.parametrize(
    ("devices", "wish", "expected"),
    [
        (("cpu",), "auto", ["cpu"]),
        (("cuda:0", "cuda:1", "cpu"), "auto", ["cuda:0", "cuda:1"]),
        (("cuda:0", "cuda:1", "cpu"), "cuda", ["cuda:0", "cuda:1"]),
        (("cuda:0", "cuda:1", "cpu"), "cuda:1", ["cuda:1"]),
        (("cuda:0", "cpu"), "cpu", ["cpu"]),
        (("mps", "cpu"), "auto", ["mps"]),
        (("mps", "cpu"), "cuda", []),
        (("cuda:0", "cpu"), "cuda:7", []),
    ],
)
def test_a_wish_names_devices(tmp_path: Path, devices: tuple[str, ...], wish: str, expected: list[str]) -> None:
    pool = Pool(tmp_path, None, lambda number, message: None)
    assert pool.has(wish)  # nothing is known before the first worker has told
    pool.devices = devices
    assert pool.fitting(wish) == expected
    assert pool.has(wish) == bool(expected)
