"""``fit``: a mesh, a point cloud, curves or a dataset in, a distance field with its surface and its measures out."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.commands.interrupt import Interrupt
from backend.commands.naming import naming_files
from backend.commands.output import FIELD, REPORT, check_output, output_folder
from backend.commands.parser import CommandError, Parser, choice, seconds, whole_number
from backend.commands.progress import Progress

if TYPE_CHECKING:
    from backend.commands.training_folder import Training
    from backend.geometry.shape import Shape
    from backend.surfaces.dataset import Dataset

METHODS = ("igr", "one-lipschitz", "full-information", "sald")
MODES = ("auto", "signed", "unsigned")
RESOLUTIONS = (8, 4096)
CHECKPOINTS = 20  # of a training, about
LEAST_BETWEEN = 100  # steps
BY_DATASET = {"signed": "igr", "unsigned": "one-lipschitz", "dist": "full-information", "sal": "sald"}
NEW_TRAINING = ("method", "mode", "preset", "seed", "kind", "dimension")  # options of one, with their defaults
DEFAULTS = {"method": "", "mode": "auto", "preset": "fast", "seed": 0, "kind": "auto", "dimension": None}


def add_arguments(parser: Parser) -> None:
    from backend.geometry.shape import KINDS

    add = parser.add_argument
    add(
        "input",
        nargs="?",
        type=Path,
        metavar="INPUT",
        help="mesh, point cloud, polylines (OBJ, PLY, OFF, STL, glTF, XYZ, NPY, NPZ, SVG, DXF), or a folder that "
        "`dataset` made",
    )
    add("--out", type=Path, metavar="DIR", help="folder for the result; an earlier result in it is replaced")
    add("--force", action="store_true", help="put the result into a folder that holds other files, too")
    add(
        "--method",
        metavar="NAME",
        type=choice(*METHODS),
        help=f"{', '.join(METHODS)}; default: igr; full-information for curves, in the plane and without a sign; for a "
        "dataset the method that trains on it",
    )
    add("--mode", metavar="M", type=choice(*MODES), help="signed, unsigned or auto (the default): signed where it can")
    add("--preset", metavar="P", help="fast (the default) or paper")
    add("--set", metavar="NAME=VALUE", action="append", default=[], help="one setting of the method; may be repeated")
    add("--seconds", metavar="S", type=seconds, help="prepare and train this long, instead of the steps of the preset")
    add("--seed", metavar="K", type=whole_number(0, 2**31 - 1), help="seed of every random choice; default 0")
    add("--kind", metavar="K", type=choice(*KINDS), help=f"what the file is taken for: {', '.join(KINDS)}")
    add("--dimension", metavar="D", type=whole_number(2, 3), help="2: leave z out; 3: keep it where all of it is 0")
    add(
        "--resolution",
        metavar="R",
        type=whole_number(*RESOLUTIONS),
        help="cells along the longest side of the surface (default 128) or curve (default 1024)",
    )
    add(
        "--checkpoint",
        metavar="N",
        help="go on with the training that left DIR from its step N, or from its latest; its settings stay",
    )
    add("--device", default="auto", metavar="D", help="auto (default), cpu, cuda or mps")
    add("--list-settings", action="store_true", help="tell the methods, presets and settings, and do nothing else")


def run(arguments: argparse.Namespace) -> int:
    if arguments.list_settings:
        return _list_settings()
    if arguments.input is None or arguments.out is None:
        raise CommandError("fit needs INPUT and --out DIR (see tweenfield fit --help)")
    _check_out(arguments)
    with Progress() as progress, Interrupt(progress.note, at_once=True) as interrupt:
        progress("starting")
        with naming_files({"the shape": arguments.input, "the mesh": arguments.input}):
            report = _fit(arguments, progress, interrupt)
        interrupted = report["interrupted"] or interrupt.asked
    from backend.commands.fit_result import summary

    sys.stdout.write(summary(arguments.out, report))
    return 130 if interrupted else 0


def _check_out(arguments: argparse.Namespace) -> None:
    check_output(arguments.out, arguments.force, [arguments.input], FIELD)
    if arguments.input.resolve() == arguments.out.resolve():
        raise CommandError(f"{arguments.out}: is the dataset; choose another --out")
    if arguments.checkpoint is None:
        return
    if not arguments.out.is_dir():
        raise CommandError(f"{arguments.out}: there is no training to go on with; leave out --checkpoint")
    given = [name for name in NEW_TRAINING if getattr(arguments, name) is not None]
    given += [word for word in arguments.set if not word.replace(" ", "").startswith("steps=")]
    if given:
        raise CommandError(
            f"{given[0]} belongs to a new training, and --checkpoint goes on with the settings of an earlier one; "
            "leave out one of them"
        )


def _fit(arguments: argparse.Namespace, progress: Progress, interrupt: Interrupt) -> dict[str, Any]:
    """Trains and writes all of the result; the report."""
    from backend.commands.fit_result import write_result
    from backend.commands.training_folder import TrainingFolder, fingerprint
    from backend.commands.watch import Watch
    from backend.device import choose_device, configure
    from backend.evaluation.report import write_report
    from backend.surface_fit import FitRequest, fit_shape
    from backend.training.checkpoints import steps_done
    from backend.training.run import Cancelled

    configure()
    device = choose_device(arguments.device.lower())
    kept = TrainingFolder(arguments.out)
    earlier = None if arguments.checkpoint is None else kept.earlier(arguments.checkpoint)
    progress("reading")
    training, start = _training(arguments), None
    if earlier is not None:
        training, start = replace(earlier[0], settings={**earlier[0].settings, **training.settings}), earlier[1]
    shape = _read(arguments.input, training)
    if earlier is not None and training.input != fingerprint(shape):
        raise CommandError(f"{arguments.input}: is not what {arguments.out} was trained on; name that")
    method = training.method or _method_for(shape, training.mode)
    training = replace(training, method=method, input=fingerprint(shape))
    steps = _steps(training)
    if start is not None and arguments.seconds is None and steps_done(start) >= steps:
        raise CommandError(
            f"{start}: all {steps} steps are done; add --seconds S to go on for so long, or --set steps=N for N in all"
        )
    watch = Watch(progress, interrupt, began=lambda: kept.begin(training, start))
    work = watch.begin(device, training.seed, arguments.seconds)
    request = FitRequest(training.method, training.mode, training.preset, training.settings)
    states = kept.checkpoints(max(LEAST_BETWEEN, steps // CHECKPOINTS), start)
    cpu = time.process_time()
    with output_folder(arguments.out, arguments.force, FIELD) as folder, kept.broken_off(progress.note):
        try:
            fitted = fit_shape(shape, request, work, states)
        except Cancelled:
            raise KeyboardInterrupt from None
        facts = {
            "interrupted": "training" if interrupt.next_part() else None,
            "input": str(arguments.input),
            "device": str(device),
            "steps_before": steps_done(start),
        }
        report = write_result(folder, fitted, shape, arguments.resolution, facts, progress)
        report["cpu_seconds_in_all"] = time.process_time() - cpu
        write_report(folder / REPORT, report)
        interrupt.next_part()  # from here on all of it is put in place
    kept.end()
    return report


def _training(arguments: argparse.Namespace) -> Training:
    """What the options ask for; the input is not known yet."""
    from backend.commands.job import settings_of
    from backend.commands.training_folder import Training

    chosen = {name: getattr(arguments, name) for name in NEW_TRAINING}
    chosen = {name: DEFAULTS[name] if value is None else value for name, value in chosen.items()}
    return Training(**chosen, settings=settings_of(arguments.set), input="")


def _method_for(shape: Shape | Dataset, mode: str) -> str:
    """The method where none is asked for."""
    from backend.surfaces.dataset import Dataset
    from backend.surfaces.extraction import known_shape
    from backend.training.run import Run

    if isinstance(shape, Dataset):
        return BY_DATASET[shape.mode]
    if shape.kind == "polyline" or shape.dimension == 2:
        return "full-information"
    signed = mode == "signed" or (mode == "auto" and (shape.kind == "cloud" or known_shape(shape, Run()).signed))
    return "igr" if signed else "full-information"


def _steps(training: Training) -> int:
    """Of the training without a time limit. Raises ``SettingError`` for settings that its method does not have."""
    from backend.surfaces.registry import get_surface_method, surface_spec

    settings = surface_spec(get_surface_method(training.method)).resolve(training.preset, training.settings)
    return int(settings["steps"])


def _read(path: Path, training: Training) -> Shape | Dataset:
    """The shape of a file, or the dataset of a folder."""
    from backend.geometry.shape_file import read_shape
    from backend.surfaces.dataset_folder import read_dataset

    if path.is_dir():
        return read_dataset(path)
    return read_shape(path, training.kind, training.dimension)


def _list_settings() -> int:
    from backend.commands.settings_list import settings_text
    from backend.surfaces.registry import surface_methods, surface_spec

    sys.stdout.write(settings_text([surface_spec(method) for method in surface_methods().values()]))
    return 0
