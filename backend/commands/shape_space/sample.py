"""``shape-space sample``: shapes at random around a place of a space."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from backend.commands.parser import Parser, whole_number
from backend.commands.shape_space.places import PLACE_HELP, add_model, add_output, place_of, write_frames
from backend.commands.shape_space.reports import at_work


def add_arguments(parser: Parser) -> None:
    add_model(parser)
    add = parser.add_argument
    add("around", metavar="SHAPE", help=PLACE_HELP)
    add("--count", type=whole_number(1, 10_000), default=8, metavar="N", help="default 8")
    add(
        "--spread",
        type=_spread,
        default=0.3,
        metavar="S",
        help="how far from there: 1 is as varied as the trained shapes are; default 0.3",
    )
    add_output(parser)


def run(arguments: argparse.Namespace) -> int:
    import numpy as np

    with at_work(arguments, [Path(arguments.around)]) as task:
        place = place_of(arguments.around, task.space, task.work)
        codes = list(place.code + arguments.spread * task.space.random_steps(arguments.count, arguments.seed))
        empty = write_frames(task.folder, "sample", task.space, codes, arguments.resolution, task.work)
        np.save(task.folder / "codes.npy", np.stack(codes).astype(np.float32))
        task.report = {"around": place.told, "spread": arguments.spread, "samples": len(codes), "empty": empty}
    lost = f", {empty} of them without a surface" if empty else ""
    sys.stdout.write(f"{len(codes)} shapes around {place.name}{lost}: {arguments.out}\n")
    return 0


def _spread(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 100.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 100")
    return value
