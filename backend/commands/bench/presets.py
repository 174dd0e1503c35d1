"""Every method and preset on one pair: what each takes and what it gives."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from backend.commands.bench.pairs import BenchPair
from backend.commands.bench.process import Morphed, run_morph
from backend.commands.bench.table import above_floor, markdown_table, number
from backend.evaluation.evaluate import evaluate
from backend.geometry.io import read_mesh
from backend.methods.registry import specs

FRAMES: Final = 17
HOURS: Final = ("paper", "sequence")  # presets whose published budget takes hours on a CPU
HEADINGS: Final = (
    "method", "preset", "faces", "seconds", "CPU seconds", "peak MB", "Chamfer above floor, t = 1", "area deviation",
    "in-between Chamfer", "in-between vertex error", "components",
)  # fmt: skip


def measure_presets(pair: BenchPair, published: bool) -> list[list[str]]:
    """A line for every method and preset; with ``published`` those with the papers' own budgets, too."""
    rows = []
    for spec in specs():
        for preset in spec.presets:
            if preset in HOURS and not published:
                continue
            options = ["--method", spec.name, "--preset", preset, "--frames", str(FRAMES)]
            with tempfile.TemporaryDirectory(prefix="tweenfield-bench-") as folder:
                done = run_morph(pair, Path(folder) / "out", options)
            if isinstance(done, Morphed):
                rows.append(_row(spec.name, preset, done, pair))
    return rows


def presets_table(rows: list[list[str]], pair: BenchPair, published: bool) -> str:
    """The section of the document."""
    text = f"`morph --method M --preset P --frames {FRAMES}` on the pair {pair.name}, topology auto, no time limit."
    if not published:
        text += " Presets with the papers' own budgets take hours on a CPU; `--published` measures them, too."
    return f"## Methods and presets\n\n{text}\n\n" + markdown_table(HEADINGS, rows)


def _row(method: str, preset: str, done: Morphed, pair: BenchPair) -> list[str]:
    report = done.report
    metrics: dict[str, Any] = report["metrics"]
    inbetween = _inbetween(done, pair)
    shapes = metrics.get("topology")
    return [
        method,
        preset,
        report["topology"],
        f"{report['seconds']:.1f}",
        f"{report['cpu_seconds']:.1f}",
        f"{report['peak_memory_bytes'] / 1e6:.0f}",
        number(above_floor(metrics["endpoints"]["t1"])),
        number(metrics["area_ratio_std"]),
        number(inbetween.get("chamfer_mean")),
        number(inbetween.get("vertex_mean")),
        "" if shapes is None else " ".join(sorted({str(shape["components"]) for shape in shapes})),
    ]


def _inbetween(done: Morphed, pair: BenchPair) -> dict[str, Any]:
    """Distances to the true frames, where they are known."""
    if pair.truth is None:
        return {}
    found = evaluate(
        done.frames, read_mesh(pair.source), read_mesh(pair.target), None, np.load(pair.truth), intersections=False
    )
    return dict(found["inbetween"])
