"""``shape-space train``: from a folder of shapes to a space of them."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from backend.commands.interrupt import Interrupt
from backend.commands.model_file import BEGUN, add_training, begun_on_disk, check_model
from backend.commands.output import naming_output
from backend.commands.parser import CommandError, Parser, choice, whole_number
from backend.commands.progress import Progress, duration
from backend.commands.shape_space.shapes import shapes_in, split

if TYPE_CHECKING:
    from backend.commands.watch import Watch
    from backend.surfaces.space.model import ShapeSpace
    from backend.surfaces.space.samples import NamedShape
    from backend.training.checkpoints import Checkpoints
    from backend.training.run import Run


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="meshes and clouds as they lie together, or a sequence's folder")
    add("--out", type=Path, required=True, metavar="MODEL", help="file for the space (.safetensors)")
    add("--split", type=Path, metavar="FILE", help='JSON, {"train": [names], "test": [names]} or nested lists of names')
    add(
        "--hold-out", type=whole_number(0, 10_000), default=4, metavar="N", help="hold out one in N; default 4, 0: none"
    )
    add("--preset", type=choice("fast", "paper"), default="fast", metavar="P", help="fast (default) or paper (weeks)")
    add_training(parser, "MODEL")


def run(arguments: argparse.Namespace) -> int:
    from backend.commands.watch import Watch
    from backend.device import choose_device, configure
    from backend.training.checkpoints import checkpoints_of
    from backend.training.run import Run

    resumed = arguments.resume or arguments.checkpoint is not None
    check_model(arguments.out, checkpoints_of(arguments.out), resumed, arguments.force)
    configure()
    device = choose_device(arguments.device)
    cpu = time.process_time()
    with Progress() as progress, Interrupt(progress.note, at_once=True) as interrupt:
        watch = Watch(progress, interrupt)
        shapes = shapes_in(arguments.folder, lambda step, steps: progress("reading", step, steps))
        space, checkpoints = _begun(arguments, shapes, resumed)
        work = Run(device=device, seed=space.seed, on_progress=progress)
        space = _trained(space, shapes, checkpoints, work, watch, arguments)
        finished = not interrupt.asked
    sys.stdout.write(_summary(space, arguments.out, finished, time.process_time() - cpu))
    return 0 if finished else 130


def _begun(
    arguments: argparse.Namespace, shapes: Sequence[NamedShape], resumed: bool
) -> tuple[ShapeSpace, Checkpoints]:
    """The space before its training, and the checkpoints to begin with."""
    import numpy as np

    from backend.surfaces.space.model import ShapeSpace, read_space
    from backend.surfaces.space.settings import preset
    from backend.training.checkpoints import LATEST, Checkpoints, checkpoint_named, checkpoints_of

    names = [named.name for named in shapes]
    folder = checkpoints_of(arguments.out)
    if resumed:
        space = read_space(folder / BEGUN)
        missing = set(space.names) - set(names)
        if missing:
            raise CommandError(
                f"{arguments.folder}: has no {min(missing)}, which {arguments.out} was begun on; name the folder that "
                "it was begun on"
            )
        start = checkpoint_named(folder, arguments.checkpoint or LATEST)
        return space, Checkpoints(folder, space.network.settings.keep_every, start)
    train, test = split(names, arguments.split, arguments.hold_out)
    changes = {} if arguments.steps is None else {"steps": arguments.steps}
    settings = preset(arguments.preset, len(train), changes)
    points = np.concatenate([named.shape.used() for named in shapes])
    chosen, held_out = ([names[k] for k in part] for part in (train, test))
    space = ShapeSpace.begun(settings, chosen, held_out, points, preset=arguments.preset, seed=arguments.seed)
    return space, Checkpoints(folder, settings.keep_every)


def _trained(
    space: ShapeSpace,
    shapes: Sequence[NamedShape],
    checkpoints: Checkpoints,
    work: Run,
    watch: Watch,
    arguments: argparse.Namespace,
) -> ShapeSpace:
    """The space as far as it came, written."""
    from backend.surfaces.space.model import write_space
    from backend.surfaces.space.training import prepared, train_space
    from backend.training.run import Run

    by_name = {named.name: named for named in shapes}
    with work.phase("sampling"):
        samples, parents = prepared(space, [by_name[name] for name in space.names], work.progress)
    training = Run(device=work.device, seed=work.seed, seconds=arguments.seconds, on_progress=watch)
    watch.run = training
    space.network.requires_grad_(True).to(work.device)
    with naming_output(arguments.out), begun_on_disk(checkpoints, lambda path: write_space(path, space)):
        outcome = train_space(space.network, samples, training, checkpoints, parents=parents)
        space.network.to("cpu")
        facts = {"steps": outcome.steps, "loss": outcome.best_loss if outcome.best_step else None}
        space = replace(space, facts=facts)
        write_space(arguments.out, space)
    return space


def _summary(space: ShapeSpace, out: Path, finished: bool, cpu: float) -> str:
    loss = space.facts["loss"]
    done = "trained" if finished else "stopped; --resume goes on with it"
    held = f", {len(space.held_out)} held out" if space.held_out else ""
    return (
        f"{out}: {done}; {len(space.names)} shapes{held}, {space.facts['steps']} steps, "
        f"loss {'not known yet' if loss is None else f'{loss:.3g}'}, {duration(cpu)} of processor time\n"
    )
