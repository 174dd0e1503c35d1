"""``shape-space evaluate``: how far a space is from the shapes it was trained on, and from those held out."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.commands.interrupt import Interrupt
from backend.commands.output import check_file
from backend.commands.parser import Parser, whole_number
from backend.commands.progress import Progress
from backend.commands.shape_space.places import add_model, encoded, space_at
from backend.commands.shape_space.shapes import shapes_in, split

if TYPE_CHECKING:
    from backend.surfaces.space.model import ShapeSpace
    from backend.surfaces.space.samples import NamedShape
    from backend.training.run import Run


def add_arguments(parser: Parser) -> None:
    add_model(parser)
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="shapes that lie as the trained ones do; these are known by name")
    add(
        "--split", type=Path, metavar="FILE", help="encode the test shapes of this file alone; default: all not trained"
    )
    add("--resolution", type=whole_number(8, 1024), default=128, metavar="N", help="cells; default 128")
    add("--out", type=Path, metavar="FILE", help="write the figures as JSON there, too")


def run(arguments: argparse.Namespace) -> int:
    from backend.training.run import Run

    if arguments.out is not None:
        check_file(arguments.out)
    with Progress() as progress, Interrupt(progress.note, at_once=True):
        space = space_at(arguments)
        work = Run(next(space.network.parameters()).device, arguments.seed, on_progress=progress)
        shapes = shapes_in(arguments.folder, lambda step, steps: progress("reading", step, steps))
        held_out = None
        if arguments.split is not None:
            names = [named.name for named in shapes]
            held_out = {names[k] for k in split(names, arguments.split, 0)[1]}
        found = measured(space, shapes, work, arguments.resolution, held_out)
    sys.stdout.write(told(found))
    if arguments.out is not None:
        report = {"model": str(arguments.model), "folder": str(arguments.folder), **found}
        arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8", newline="\n")
    return 0


def measured(
    space: ShapeSpace,
    shapes: list[NamedShape],
    work: Run,
    resolution: int,
    held_out: set[str] | None = None,  # names of the shapes to encode; None: all that it was not trained on
) -> dict[str, Any]:
    """The Chamfer distance of every shape by its name, in percent of its diagonal, in two groups."""
    from backend.surfaces.space.errors import errors_at

    groups: dict[str, dict[str, float]] = {"trained": {}, "held_out": {}}
    for number, named in enumerate(shapes):
        trained = named.name in space.names
        if not trained and held_out is not None and named.name not in held_out:
            continue
        code = space.codes[space.names.index(named.name)] if trained else encoded(named, space, work).code
        with work.phase("measuring"):
            work.progress(number, len(shapes))
            errors = errors_at(space, code, named.shape, cells=resolution)
        groups["trained" if trained else "held_out"][named.name] = errors.chamfer
    return dict(groups)


def told(found: dict[str, Any]) -> str:
    """A line for each group."""
    lines = ["Chamfer distance, % of the diagonal"]
    for group, words in (("trained", "trained on"), ("held_out", "held out, encoded")):
        values = list(found[group].values())
        if values:
            worst = max(found[group], key=found[group].__getitem__)
            mean = sum(values) / len(values)
            lines.append(f"{words}: {len(values)} shapes, mean {mean:.3f}, largest {max(values):.3f} ({worst})")
        else:
            lines.append(f"{words}: none of them in the folder")
    return "\n".join(lines) + "\n"
