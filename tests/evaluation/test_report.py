"""The report: plain types in a stable order."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from backend.evaluation.report import make_report, peak_memory, plain, versions, write_report

GIVEN = {
    "method": "linear",
    "preset": "standard",
    "settings": {"b": np.float32(0.5), "a": 1},
    "seed": 3,
    "device": "cpu",
    "source": {"vertices": np.int64(8)},
    "target": {"vertices": 8},
    "correspondence": {"way": "vertex-order", "pairs": 8},
    "phases": {"preparing": (0.25, 0.5), "training": (1.0, 2.0)},
    "facts": {"raw_flow_corr_error_t1": np.float64(0.01)},
    "metrics": {"endpoints": {"t0": {"chamfer": math.nan}}, "bad_frames": np.zeros(0, int)},
    "warnings": ("source: a sentence",),
}


def test_the_report_reads_back_as_it_was(tmp_path: Path) -> None:
    report = make_report(**GIVEN)
    write_report(tmp_path / "report.json", report)
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == report
    assert report["raw_flow_corr_error_t1"] == 0.01
    assert report["seconds"] == {"preparing": 0.25, "training": 1.0}
    assert report["cpu_seconds"] == {"preparing": 0.5, "training": 2.0}
    assert report["metrics"]["endpoints"]["t0"]["chamfer"] is None
    assert report["warnings"] == ["source: a sentence"]
    assert list(report) == list(make_report(**GIVEN))


def test_plain_types_only() -> None:
    value = plain({1: np.arange(3), "x": (np.float32(0.5), math.inf, None, True, Path("a"))})
    assert value == {"1": [0, 1, 2], "x": [0.5, None, None, True, "a"]}
    assert type(value["x"][0]) is float


def test_versions_and_memory() -> None:
    found = versions()
    assert found["numpy"] == np.__version__
    assert "missing" not in found.values()
    before = peak_memory()
    block = np.ones(30_000_000)
    assert peak_memory() >= before
    assert peak_memory() > block.nbytes
