"""Frames with faces of their own: every pair by ``morph --topology remesh``, each frame held against what it shows."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

from backend.commands.bench.pairs import BenchPair
from backend.commands.bench.process import Morphed, run_morph
from backend.commands.bench.table import above_floor, markdown_table, number
from backend.commands.parser import CommandError
from backend.geometry.triangles import smallest_share

FRAMES: Final = 12
RESOLUTION: Final = 128
HEADINGS: Final = (
    "pair", "seconds", "CPU seconds", "peak MB", "Chamfer above floor, t = 0", "t = 1", "to the carried mesh, worst",
    "area over the carried mesh's", "components", "genus of the frames", "closed", "smallest part",
)  # fmt: skip


def measure_surfaces(pair: BenchPair) -> list[str]:
    """Morphs a pair with the default method, draft; its line of the table."""
    options = ["--topology", "remesh", "--preset", "draft", "--frames", str(FRAMES), "--resolution", str(RESOLUTION)]
    with tempfile.TemporaryDirectory(prefix="tweenfield-bench-") as folder:
        done = run_morph(pair, Path(folder) / "out", options)
    if not isinstance(done, Morphed):
        raise CommandError(f"{pair.name}: {done.why}")
    return _row(pair.name, done.report, min(smallest_share(mesh.positions(), mesh.triangles()) for mesh in done.frames))


def surfaces_table(rows: list[list[str]]) -> str:
    """The section of the document."""
    text = (
        f"`morph --topology remesh --preset draft --frames {FRAMES} --resolution {RESOLUTION}`, everything included. "
        "Lengths are shares of the source's diagonal; Chamfer distances are above those of two samplings of one "
        "surface. The carried mesh is the source as its motion carries it; pairs without a match have none. Least and "
        "most of all frames where two figures stand. To reach with 5,000 vertices: 180 s; Chamfer 0.001; area within "
        "2 % for near-isometric pairs; one component where both ends have one; no part under 1 % of the area."
    )
    return f"## Surfaces of their own\n\n{text}\n\n" + markdown_table(HEADINGS, rows)


def _row(name: str, report: dict[str, Any], smallest: float) -> list[str]:
    metrics, phases = report["metrics"], report["phases"].values()
    ends, shapes, carried = metrics["endpoints"], metrics["topology"], metrics.get("carried")
    return [
        name,
        f"{sum(phase['seconds'] for phase in phases):.0f}",
        f"{sum(phase['cpu_seconds'] for phase in phases):.0f}",
        f"{report['peak_memory_bytes'] / 1e6:.0f}",
        number(above_floor(ends["t0"])),
        number(above_floor(ends["t1"])),
        "" if carried is None else number(carried["largest_above_floor"]),
        "" if carried is None else f"{min(carried['area_ratio']):.3f} .. {max(carried['area_ratio']):.3f}",
        _range([shape["components"] for shape in shapes]),
        " ".join("-" if shape["genus"] is None else f"{shape['genus']:.0f}" for shape in shapes),
        "all" if all(shape["closed"] for shape in shapes) else "not all",
        f"{smallest:.1%}",
    ]


def _range(values: list[int]) -> str:
    return str(values[0]) if min(values) == max(values) else f"{min(values)} .. {max(values)}"
