"""``single-view metrics``: how near reconstructions are to shapes that a model has not seen."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.commands.interrupt import Interrupt
from backend.commands.output import check_file
from backend.commands.parser import CommandError, Parser, whole_number
from backend.commands.progress import Progress
from backend.commands.single_view.models import add_model, model_at

if TYPE_CHECKING:
    from backend.single_view.metrics import Measured

KINDS = ("raw", "refined", "nearest", "retrieved")
WORDS = {
    "raw": "as the encoder tells it",
    "refined": "refined by the silhouette",
    "nearest": "trained shape nearest to the truth",
    "retrieved": "trained shape nearest in code",
}


def add_arguments(parser: Parser) -> None:
    add_model(parser)
    add = parser.add_argument
    add("folder", nargs="+", type=Path, metavar="FOLDER", help="datasets with meshes; one must have the trained shapes")
    add("--count", type=whole_number(1, 100_000), metavar="N", help="measure N shapes at most; default: all held out")
    add("--out", type=Path, metavar="FILE", help="write the figures as JSON there, too")


def run(arguments: argparse.Namespace) -> int:
    from backend.single_view.layout import instances_in
    from backend.single_view.metrics import Trained, measured, view_of
    from backend.training.run import Run

    if arguments.out is not None:
        check_file(arguments.out)
    for folder in arguments.folder:
        if not folder.is_dir():
            raise CommandError(f"{folder}: is not a folder; name the one that holds the dataset")
    with Progress() as progress, Interrupt(progress.note, at_once=True):
        model = model_at(arguments)
        instances = [one for folder in arguments.folder for one in instances_in(folder)]
        unseen = [one for one in instances if one.name not in model.names]
        chosen = [one for one in unseen if one.name in model.held_out] or unseen
        if not chosen:
            raise CommandError(
                f"{arguments.folder[0]}: holds no shape that the model was not trained on; train it with --hold-out, "
                "or name another dataset"
            )
        work = Run(model.device, arguments.seed, on_progress=progress)
        with work.phase("reading"):
            trained = Trained(model, instances, work)
        rows = []
        for number, one in enumerate(chosen[: arguments.count]):
            progress("measuring", number, len(chosen[: arguments.count]))
            silent = Run(model.device, arguments.seed)
            view = view_of(one, arguments.seed, number)
            rows.append(measured(model, one, view, trained, silent, arguments.resolution))
    figures = summary(rows)
    sys.stdout.write(told(figures))
    if arguments.out is not None:
        report = {"model": str(arguments.model), "summary": figures, "shapes": [asdict(row) for row in rows]}
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8", newline="\n")
    return 0


def summary(rows: list[Measured]) -> dict[str, Any]:
    """Medians and means of every figure, and how often the refined shape is the better one."""
    from statistics import fmean, median

    found: dict[str, Any] = {"shapes": len(rows)}
    for kind in KINDS:
        scores = [score for row in rows if (score := getattr(row, kind)) is not None]
        if scores:
            found[kind] = {
                name: {"median": median(values), "mean": fmean(values)}
                for name in ("chamfer", "distance", "normals")
                for values in [[getattr(score, name) for score in scores]]
            }
            found[kind]["beaten"] = sum(row.refined.chamfer < getattr(row, kind).chamfer for row in rows)
    before, after = found["raw"]["chamfer"]["median"], found["refined"]["chamfer"]["median"]
    found["improvement_percent"] = 100.0 * (before - after) / before
    for name in ("iou_before", "iou"):
        found[name] = median(getattr(row, name) for row in rows)
    return found


def told(found: dict[str, Any]) -> str:
    """A table of the medians."""
    width = max(map(len, WORDS.values()))
    lines = [
        f"held out: {found['shapes']}; medians",
        f"{''.ljust(width)}  Chamfer x 1000  distance, %  normals  beaten by the refined",
    ]
    for kind in KINDS:
        if kind in found:
            values = [found[kind][name]["median"] for name in ("chamfer", "distance", "normals")]
            beaten = "" if kind == "refined" else f"  {found[kind]['beaten']} of {found['shapes']}"
            lines.append(f"{WORDS[kind].ljust(width)}  {values[0]:14.3f}  {values[1]:11.3f}  {values[2]:7.3f}{beaten}")
    lines.append(
        f"the refinement lowers the median Chamfer by {found['improvement_percent']:.1f} %; IoU of the silhouettes "
        f"{found['iou_before']:.3f} before, {found['iou']:.3f} after"
    )
    lines.append(
        "Chamfer: mean squared distance, both ways added, of shapes whose box has the diagonal 1; distance: mean of "
        "both ways in percent of that diagonal; normals: mean cosine in the image"
    )
    return "\n".join(lines) + "\n"
