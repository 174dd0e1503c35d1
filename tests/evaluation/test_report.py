"""Reports hold plain types and keep their order."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from backend.evaluation.report import machine, plain, write_report


def test_plain_types_only() -> None:
    value = plain({1: np.arange(3), "x": (np.float32(0.5), math.inf, None, True, Path("a"))})
    assert value == {"1": [0, 1, 2], "x": [0.5, None, None, True, "a"]}
    assert type(value["x"][0]) is float


def test_a_report_reads_back_in_its_order(tmp_path: Path) -> None:
    report = {"seed": np.int64(3), "metrics": {"b": math.nan, "a": np.float64(0.25)}, "warnings": ("ein Gruß",)}
    for name in ("one", "two"):
        write_report(tmp_path / name, report)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    found = json.loads((tmp_path / "one").read_text(encoding="utf-8"))
    assert found == {"seed": 3, "metrics": {"b": None, "a": 0.25}, "warnings": ["ein Gruß"]}
    assert list(found["metrics"]) == ["b", "a"]


def test_the_machine_is_described() -> None:
    found = machine()
    assert found["cores"] >= 1
    assert found["memory_bytes"] > 2**28
