"""``correspond-evaluate``: how near a trained model comes to the truth on made shapes, beside the nearest point."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.commands.mesh_folder import mesh_files, surfaces
from backend.commands.parser import CommandError, Parser
from backend.commands.progress import Progress

if TYPE_CHECKING:
    from backend.evaluation.dense_accuracy import Accuracy, Known, Way

SHOWN = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25)  # diagonals


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL", help="file of correspond-train")
    add("folder", type=Path, metavar="FOLDER", help="folder of correspond-shapes that MODEL was not trained on")
    add("--beside", type=Path, action="append", default=[], metavar="MODEL", help="another model; may be repeated")
    add("--out", type=Path, metavar="FILE", help="write the curves as JSON there, too")


def run(arguments: argparse.Namespace) -> int:
    from backend.correspondence.implicit_dense.mapping import NORMAL
    from backend.correspondence.implicit_dense.model import read_model
    from backend.device import configure
    from backend.evaluation.dense_accuracy import accuracy, answers, by_model, by_nearest

    configure()
    models = {str(path): read_model(path) for path in (arguments.model, *arguments.beside)}
    with Progress() as progress:
        shapes = _known(arguments.folder, lambda step, steps: progress("reading", step, steps))
        ways: dict[str, Way] = {name: by_model(model, shapes) for name, model in models.items()}
        ways["nearest point"] = by_nearest(shapes)
        ways["nearest point and normal"] = by_nearest(shapes, NORMAL)
        found = {name: accuracy(answers(way, shapes, partial(progress, name))) for name, way in ways.items()}
    text = table_of(found)
    sys.stdout.write(f"{len(shapes)} shapes, {len(shapes) * (len(shapes) - 1)} ordered pairs\n{text}")
    if arguments.out:
        report = {"folder": str(arguments.folder), "ways": {name: _plain(value) for name, value in found.items()}}
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8", newline="\n")
    return 0


def table_of(found: dict[str, Accuracy]) -> str:
    """One line a way: per cent of the points within each distance, area under the curve, and missing parts."""
    width = max(map(len, found))
    lines = ["way".ljust(width) + "".join(f"  {d:>5}" for d in SHOWN) + "   area  precision  recall"]
    for name, one in found.items():
        shares = "".join(f"  {100 * one.within(d):5.1f}" for d in SHOWN)
        missing = (
            f"{one.precision:9.2f}  {one.recall:6.2f}" if not name.startswith("nearest point") else "        -       -"
        )
        lines.append(f"{name.ljust(width)}{shares}  {100 * one.area:5.1f}  {missing}")
    return "\n".join(lines) + "\n"


def _plain(one: Accuracy) -> dict[str, Any]:
    from backend.evaluation.dense_accuracy import DISTANCES

    return {
        "distances": DISTANCES.tolist(),
        "share": one.curve.tolist(),
        "area": one.area,
        "missing": {"share": one.missing, "precision": one.precision, "recall": one.recall},
    }


def _known(folder: Path, check: Callable[[int, int], None]) -> list[Known]:
    """The shapes of a folder with the descriptions beside them."""
    from backend.collection.solid import Solid
    from backend.evaluation.dense_accuracy import Known

    files = mesh_files(folder)
    for path in files:
        if not path.with_suffix(".json").is_file():
            raise CommandError(
                f"{path}: has no {path.stem}.json beside it that tells its parts; the folder must be one of "
                "`correspond-shapes`"
            )
    solids = [Solid.from_json(path.with_suffix(".json").read_text(encoding="utf-8")) for path in files]
    found = surfaces(files, check)
    return [Known(path.stem, solid, mesh) for path, solid, mesh in zip(files, solids, found, strict=True)]
