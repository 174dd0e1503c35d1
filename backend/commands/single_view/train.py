"""``single-view train``: from a dataset to a model that sees its kind of shapes in images."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from backend.commands.interrupt import Interrupt
from backend.commands.model_file import BEGUN, add_training, begun_on_disk, check_model
from backend.commands.output import naming_output
from backend.commands.parser import CommandError, Parser, choice, whole_number
from backend.commands.progress import Progress, duration
from backend.commands.shape_space.shapes import split
from backend.commands.single_view.dataset import up_of

if TYPE_CHECKING:
    from backend.commands.watch import Watch
    from backend.single_view.layout import Instance
    from backend.single_view.model import SingleViewModel
    from backend.training.checkpoints import Checkpoints
    from backend.training.run import Run


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="dataset: CLASS/samples/NAME.npz and CLASS/renders/NAME/00.png")
    add("--out", type=Path, required=True, metavar="MODEL", help="file for the model (.safetensors)")
    add("--split", type=Path, metavar="FILE", help='JSON, {"train": [names], "test": [names]} or nested lists of names')
    add("--hold-out", type=whole_number(0, 100_000), metavar="N", help="hold out N shapes, by chance; default a tenth")
    add("--preset", type=choice("fast", "paper"), default="fast", metavar="P", help="fast (default) or paper (weeks)")
    add_training(parser, "MODEL")


def run(arguments: argparse.Namespace) -> int:
    from backend.commands.watch import Watch
    from backend.device import choose_device, configure
    from backend.single_view.layout import instances_in
    from backend.training.checkpoints import checkpoints_of
    from backend.training.run import Run

    resumed = arguments.resume or arguments.checkpoint is not None
    check_model(arguments.out, checkpoints_of(arguments.out), resumed, arguments.force)
    if not arguments.folder.is_dir():
        raise CommandError(f"{arguments.folder}: is not a folder; name the one that holds the dataset")
    configure()
    device = choose_device(arguments.device)
    cpu = time.process_time()
    with Progress() as progress, Interrupt(progress.note, at_once=True) as interrupt:
        watch = Watch(progress, interrupt)
        instances = instances_in(arguments.folder)
        work = Run(device=device, seed=arguments.seed, on_progress=progress)
        model, checkpoints = _begun(arguments, instances, resumed, work)
        by_name = {one.name: one for one in instances}
        model = _trained(model, [by_name[name] for name in model.names], checkpoints, work, watch, arguments)
        finished = not interrupt.asked
    sys.stdout.write(_summary(model, arguments.out, finished, time.process_time() - cpu))
    return 0 if finished else 130


def _begun(
    arguments: argparse.Namespace, instances: list[Instance], resumed: bool, work: Run
) -> tuple[SingleViewModel, Checkpoints]:
    """The model before its training, and the checkpoints to begin with."""
    from backend.single_view.model import SingleViewModel, read_model
    from backend.single_view.settings import preset
    from backend.single_view.training import box_of_shapes
    from backend.training.checkpoints import LATEST, Checkpoints, checkpoint_named, checkpoints_of

    names = [one.name for one in instances]
    folder = checkpoints_of(arguments.out)
    if resumed:
        model = read_model(folder / BEGUN)
        missing = set(model.names) - set(names)
        if missing:
            raise CommandError(
                f"{arguments.folder}: has no {min(missing)}, which {arguments.out} was begun on; name the folder that "
                "it was begun on"
            )
        start = checkpoint_named(folder, arguments.checkpoint or LATEST)
        return model, Checkpoints(folder, model.settings.keep_every, start)
    train, test = _split(names, arguments)
    settings = preset(arguments.preset, len(train), {} if arguments.steps is None else {"steps": arguments.steps})
    with work.phase("reading"):
        box = box_of_shapes([instances[k] for k in train], work.progress)
    chosen, held_out = ([names[k] for k in part] for part in (train, test))
    model = SingleViewModel.begun(
        settings, chosen, held_out, box, up=up_of(arguments.folder), preset=arguments.preset, seed=arguments.seed
    )
    return model, Checkpoints(folder, settings.keep_every)


def _split(names: list[str], arguments: argparse.Namespace) -> tuple[list[int], list[int]]:
    """Numbers of the shapes to train on and of those held out."""
    import numpy as np

    if arguments.split is not None:
        return split(names, arguments.split, 0)
    count = len(names) // 10 if arguments.hold_out is None else arguments.hold_out
    if count >= len(names):
        raise CommandError(
            f"no shape is left to train on: {count} of {len(names)} are held out; give a lower --hold-out"
        )
    test = sorted(np.random.default_rng(arguments.seed).permutation(len(names))[:count].tolist())
    return [k for k in range(len(names)) if k not in test], test


def _trained(
    model: SingleViewModel,
    instances: list[Instance],
    checkpoints: Checkpoints,
    work: Run,
    watch: Watch,
    arguments: argparse.Namespace,
) -> SingleViewModel:
    """The model as far as it came, written."""
    from backend.single_view.model import write_model
    from backend.single_view.training import codes_of, train_single_view
    from backend.training.run import Run

    training = Run(device=work.device, seed=model.seed, seconds=arguments.seconds, on_progress=watch)
    watch.run = training
    model.network.requires_grad_(True).to(work.device)
    with naming_output(arguments.out), begun_on_disk(checkpoints, lambda path: write_model(path, model)):
        outcome = train_single_view(model.network, instances, training, checkpoints)
        codes = codes_of(model.network, instances, work)
        model.network.to("cpu")
        facts = {"steps": outcome.steps, "loss": outcome.best_loss if outcome.best_step else None}
        model = replace(model, codes=codes, facts=facts)
        write_model(arguments.out, model)
    return model


def _summary(model: SingleViewModel, out: Path, finished: bool, cpu: float) -> str:
    loss = model.facts["loss"]
    done = "trained" if finished else "stopped; --resume goes on with it"
    held = f", {len(model.held_out)} held out" if model.held_out else ""
    return (
        f"{out}: {done}; {len(model.names)} shapes{held}, {model.facts['steps']} steps, "
        f"loss {'not known yet' if loss is None else f'{loss:.3g}'}, {duration(cpu)} of processor time\n"
    )
