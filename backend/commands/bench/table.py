"""The document's form: heading with the machine, tables in Markdown."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.evaluation.report import machine
from backend.pipeline import versions


@dataclass(frozen=True)
class Figure:
    """One measured number and what it is to reach."""

    what: str
    value: str
    reach: str


def heading(arguments: argparse.Namespace) -> str:
    """Title, how the document was made, and the machine it was made on."""
    command = "tweenfield bench" + (" --data DIR" if arguments.data else "") + f" --seconds {arguments.seconds:g}"
    computer = machine()
    found = versions()
    return "\n".join(
        [
            "# Benchmarks",
            "",
            f"Written by `{command}` on {datetime.datetime.now(tz=datetime.UTC).date().isoformat()}; "
            "do not edit it by hand.",
            "",
            f"Machine: {computer['processor']}, {computer['cores']} cores, {computer['memory_bytes'] / 1e9:.0f} GB of "
            f"memory, {computer['system']}; Python {found['python']}, PyTorch {found['torch']}, "
            f"NumPy {found['numpy']}, Tweenfield {found['tweenfield']}.",
        ]
    )


def figures_table(title: str, figures: Sequence[Figure]) -> str:
    """A section with one line for every figure."""
    rows = [[figure.what, figure.value, figure.reach] for figure in figures]
    return f"## {title}\n\n" + markdown_table(("what", "measured", "to reach"), rows)


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def above_floor(distances: Mapping[str, float], name: str = "chamfer") -> float:
    """How far a distance of ``evaluate`` is above that of two samplings of one surface."""
    return max(distances[name] - distances[f"floor_{name}"], 0.0)


def number(value: float | None) -> str:
    """Three significant digits; nothing for what is not known."""
    return "" if value is None else f"{value:.3g}"
