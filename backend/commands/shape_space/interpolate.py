"""``shape-space interpolate``: from shape to shape along straight lines between their codes."""

from __future__ import annotations

import argparse
import itertools
import sys
from pathlib import Path

from backend.commands.parser import CommandError, Parser, whole_number
from backend.commands.shape_space.places import PLACE_HELP, add_model, add_output, place_of, write_frames
from backend.commands.shape_space.reports import at_work


def add_arguments(parser: Parser) -> None:
    add_model(parser)
    add = parser.add_argument
    add("places", nargs="+", metavar="SHAPE", help=f"two or more, in order; each {PLACE_HELP}")
    add(
        "--interval",
        type=whole_number(2, 10_000),
        default=9,
        metavar="N",
        help="frames from each shape to the next, both included; default 9",
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    import numpy as np

    if len(arguments.places) < 2:
        raise CommandError("an interpolation goes from one shape to another; name two at least")
    with at_work(arguments, [Path(text) for text in arguments.places]) as task:
        places = [place_of(text, task.space, task.work) for text in arguments.places]
        steps = arguments.interval - 1
        codes = [places[0].code]
        for before, after in itertools.pairwise(places):
            codes += [before.code + (k / steps) * (after.code - before.code) for k in range(1, steps + 1)]
        empty = write_frames(task.folder, "frame", task.space, codes, arguments.resolution, task.work)
        np.save(task.folder / "codes.npy", np.stack(codes).astype(np.float32))
        task.report = {"shapes": [place.told for place in places], "frames": len(codes), "empty": empty}
    lost = f", {empty} of them without a surface" if empty else ""
    sys.stdout.write(f"{len(codes)} frames through {len(places)} shapes{lost}: {arguments.out}\n")
    return 0
