"""``dataset``: the points that a distance field is trained on and measured with, as arrays in a folder."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from backend.commands.interrupt import Interrupt
from backend.commands.naming import naming_files
from backend.commands.output import DATASET, check_output, output_folder
from backend.commands.parser import CommandError, Parser, choice, whole_number
from backend.commands.progress import Progress

if TYPE_CHECKING:
    from backend.surfaces.dataset import Dataset
    from backend.training.run import Run

MODES = ("signed", "unsigned", "dist", "sal")
MOST = 100_000_000  # points


def add_arguments(parser: Parser) -> None:
    from backend.geometry.shape import KINDS

    add = parser.add_argument
    add(
        "input",
        type=Path,
        metavar="INPUT",
        help="mesh, point cloud or polylines (OBJ, PLY, OFF, STL, glTF, XYZ, NPY, NPZ, SVG, DXF)",
    )
    add("--mode", required=True, metavar="M", type=choice(*MODES), help=f"which points: {', '.join(MODES)}")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the dataset")
    add("--force", action="store_true", help="replace an earlier dataset, or put this one among other files")
    add(
        "--count",
        metavar="N",
        type=whole_number(1, MOST),
        help="points of each class; default 50000, inside and outside 25000",
    )
    add("--test", metavar="N", type=whole_number(0, MOST), help="points to measure with; default 12000, 0: none")
    add("--no-importance", action="store_true", help="draw points evenly in boxes, not most of them near the shape")
    add("--paper", action="store_true", help="as many points as the paper has, 100000 of each class")
    add(
        "--kind",
        default="auto",
        metavar="K",
        type=choice(*KINDS),
        help=f"what the file is taken for: {', '.join(KINDS)}",
    )
    add("--dimension", metavar="D", type=whole_number(2, 3), help="2: leave z out; 3: keep it where all of it is 0")
    add("--seed", metavar="K", type=whole_number(0, 2**31 - 1), default=0, help="default 0")


def run(arguments: argparse.Namespace) -> int:
    _check_out(arguments)
    with Progress() as progress, Interrupt(progress.note, at_once=True) as interrupt:
        progress("starting")
        text = _made(arguments, progress, interrupt)
    sys.stdout.write(text)
    return 0


def _check_out(arguments: argparse.Namespace) -> None:
    check_output(arguments.out, arguments.force, [arguments.input], DATASET)
    if not arguments.force and (arguments.out / DATASET.marker).exists():
        raise CommandError(
            f"{arguments.out}: holds a dataset already; choose a new folder, or add --force to replace it"
        )


def _made(arguments: argparse.Namespace, progress: Progress, interrupt: Interrupt) -> str:
    """Makes and writes the dataset; what a person wants to know of it."""
    from backend.geometry.shape_file import read_shape
    from backend.surfaces.dataset_folder import write_dataset
    from backend.surfaces.extraction import PAPER, STANDARD, Counts, dataset_of, known_shape
    from backend.training.run import Run

    usual = PAPER if arguments.paper else STANDARD
    counts = Counts(
        usual.train if arguments.count is None else arguments.count,
        usual.sides if arguments.count is None else arguments.count,
        usual.test if arguments.test is None else arguments.test,
    )
    work = Run(seed=arguments.seed, on_progress=progress, cancelled=lambda: interrupt.asked)
    with output_folder(arguments.out, arguments.force, DATASET) as folder:
        cpu = time.process_time()
        shape = read_shape(arguments.input, arguments.kind, arguments.dimension)
        with naming_files({"the shape": arguments.input}), work.phase("preparing"):
            known = known_shape(shape, work)
            data = dataset_of(known, shape, arguments.mode, work, counts, importance=not arguments.no_importance)
        source = {"input": str(arguments.input), "cpu_seconds": time.process_time() - cpu}
        write_dataset(folder, data, arguments.input.stem, source)
        interrupt.next_part()  # from here on all of it is put in place
    return _summary(arguments.out, data, work)


def _summary(out: Path, data: Dataset, work: Run) -> str:
    from backend.surfaces.dataset_folder import NAMES

    lines = [f"warning: {sentence}" for sentence in work.warnings] + [f"note: {sentence}" for sentence in work.said]
    names = NAMES[data.mode]
    arrays = [f"{names[key]} {'x'.join(map(str, values.shape))}" for key, values in data.arrays.items()]
    if data.test_points is not None:
        arrays.append(f"Xtest {len(data.test_points)}")
    else:
        lines.append("note: no test set, since exact distances to this shape are not known")
    seconds = sum(wall for wall, _ in work.phase_seconds.values())
    lines.append(f"{data.mode} dataset in {seconds:.1f} s ({', '.join(arrays)}): {out}")
    return "\n".join(lines) + "\n"
