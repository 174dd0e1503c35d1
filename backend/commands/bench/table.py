"""The document's form: heading with the machine, tables in Markdown."""

from __future__ import annotations

import argparse
import datetime
import re
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


HEADING = (
    "# Benchmarks\n\nWritten by `tweenfield bench`; do not edit it by hand. A run with `--parts` replaces those "
    "sections alone, and each says when and on what it was measured."
)
TITLES = {
    "quality": "Quality",
    "surfaces": "Surfaces of their own",
    "correspondence": "Correspondence",
    "presets": "Methods and presets",
    "speed": "Speed",
    "distance-fields": "Distance fields",
    "one-lipschitz": "1-Lipschitz networks",
    "shape-space": "Shape spaces",
    "mesh-sdf": "MeshSDF",
    "single-view": "Single view",
    "memory": "Peak memory",
}  # of each part's section, its first words


def document(before: str, sections: dict[str, str], arguments: argparse.Namespace) -> str:
    """The whole document: new ``sections`` by part, and those of the document ``before`` for the other parts."""
    old = {
        part: text for text in re.split(r"^(?=## )", before, flags=re.MULTILINE) for part in [_part_of(text)] if part
    }
    new = {part: _with_origin(text, _origin(part, arguments)) for part, text in sections.items()}
    kept = old | new
    return "\n\n".join([HEADING, *(kept[part].strip() for part in TITLES if part in kept)]) + "\n"


def _part_of(section: str) -> str | None:
    return next((part for part, title in TITLES.items() if section.startswith(f"## {title}")), None)


def _with_origin(section: str, origin: str) -> str:
    title, _, rest = section.partition("\n")
    return f"{title}\n\n{origin}\n{rest}"


def _origin(part: str, arguments: argparse.Namespace) -> str:
    """The command, the day and the machine."""
    command = f"tweenfield bench --parts {part}" + (" --data DIR" if arguments.data else "")
    command += f" --seconds {arguments.seconds:g}" if part == "quality" else ""
    computer, found = machine(), versions()
    return (
        f"`{command}`, {datetime.datetime.now(tz=datetime.UTC).date().isoformat()}. Machine: {computer['processor']}, "
        f"{computer['cores']} cores, {computer['memory_bytes'] / 1e9:.0f} GB of memory, {computer['system']}; Python "
        f"{found['python']}, PyTorch {found['torch']}, NumPy {found['numpy']}, Tweenfield {found['tweenfield']}."
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
