"""Memory: the peak of a whole ``morph`` command on meshes of 10,000 and of a million vertices."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from backend.commands.bench.process import run_command
from backend.commands.bench.shapes import torus_pair
from backend.commands.bench.table import Figure
from backend.geometry.io import write_ply


def measure_memory(million: bool) -> list[Figure]:
    """Peak memory at the draft preset."""
    figures = [_measure((100, 100), "1.5 GB")]
    if million:
        figures.append(_measure((1001, 1001), "6 GB"))
    return figures


def _measure(size: tuple[int, int], reach: str) -> Figure:
    source, target = torus_pair(*size)
    with tempfile.TemporaryDirectory(prefix="tweenfield-bench-") as name:
        folder = Path(name)
        write_ply(folder / "source.ply", source)
        write_ply(folder / "target.ply", target)
        run_command(
            *("morph", folder / "source.ply", folder / "target.ply"),
            *("--out", folder / "out", "--preset", "draft", "--frames", "5"),
        )
        report = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))
    seconds = sum(phase["seconds"] for phase in report["phases"].values())
    value = f"{report['peak_memory_bytes'] / 1e9:.2f} GB ({seconds:.0f} s)"
    return Figure(f"{source.n_vertices:,} vertices, draft, 5 frames", value, reach)
