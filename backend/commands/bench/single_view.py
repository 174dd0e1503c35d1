"""Single view: chairs that the project makes, one in ten held out, from the making to what is measured of them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from backend.commands.bench.process import run_command
from backend.commands.bench.table import Figure, figures_table, markdown_table, number
from backend.commands.single_view.metrics import KINDS, WORDS

COUNT, HELD_OUT = 200, 20  # shapes that are made, and those of them that are held out
LOWER: Final = 20.0  # percent, by which the refinement is to lower the median
HEADINGS: Final = ("surface", "Chamfer x 1000", "distance, %", "normals", "worse than the refined")


def measure_single_view(
    note: Callable[[str], None], count: int = COUNT, held_out: int = HELD_OUT, training: Sequence[str] = ()
) -> str:
    """The section of the document. ``training``: more options of the training."""
    spent: dict[str, float] = {}

    def run(what: str, *options: str | Path) -> None:
        note(f"single view: {what}")
        spent[what] = run_command(*options)

    with tempfile.TemporaryDirectory(prefix="tweenfield-bench-") as name:
        folder = Path(name)
        meshes, data, model, figures = (folder / part for part in ("chairs", "data", "model.safetensors", "found.json"))
        run("shapes", "correspond-shapes", "chair", "--out", meshes, "--count", str(count))
        run("dataset", "single-view", "dataset", meshes, "--out", data, "--up", "z")
        run("training", "single-view", "train", data, "--out", model, "--hold-out", str(held_out), *training)
        run("measuring", "single-view", "metrics", model, data, "--out", figures)
        summary = json.loads(figures.read_text(encoding="utf-8"))["summary"]
    return single_view_section(count, summary, spent)


def single_view_section(count: int, summary: dict[str, Any], spent: dict[str, float]) -> str:
    """From what was measured."""
    shapes = summary["shapes"]
    text = (
        f"`single-view` of {count} chairs of `correspond-shapes`, preset `fast`; one render of each of the {shapes} "
        "that were held out, medians over them. Chamfer: squared, both ways, of shapes whose diagonal is 1; distance: "
        "the mean of both ways, in percent of the diagonal; normals: their mean cosine in the image. Only the truth "
        "tells which trained shape is nearest to it."
    )
    rows = [
        [
            WORDS[kind],
            *(number(summary[kind][name]["median"]) for name in ("chamfer", "distance", "normals")),
            "" if kind == "refined" else f"{summary[kind]['beaten']} of {shapes}",
        ]
        for kind in KINDS
        if kind in summary
    ]
    better = summary["refined"]["chamfer"]["median"], summary["nearest"]["chamfer"]["median"]
    figures = [
        Figure("refinement lowers the median Chamfer by", f"{summary['improvement_percent']:.1f} %", f"{LOWER:g} %"),
        Figure("the refined beside the nearest trained shape", f"{better[0]:.3g} to {better[1]:.3g}", "less"),
        Figure("IoU of the silhouettes", f"{summary['iou_before']:.3f} before, {summary['iou']:.3f} after", ""),
        Figure("CPU seconds", ", ".join(f"{what} {seconds:.0f}" for what, seconds in spent.items()), ""),
    ]
    table = figures_table("Single view", figures).partition("\n\n")
    return f"{table[0]}\n\n{text}\n\n{markdown_table(HEADINGS, rows)}\n\n{table[2]}"
