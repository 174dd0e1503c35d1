"""``single-view train``: from a dataset to a model that sees its kind of shapes in images."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from backend.commands.model_file import add_training, begun_on_disk, check_model
from backend.commands.model_training import ModelTraining, shapes_and_loss, train_model
from backend.commands.output import naming_output
from backend.commands.parser import CommandError, Parser, choice, whole_number
from backend.commands.shape_space.shapes import split
from backend.commands.single_view.dataset import up_of

if TYPE_CHECKING:
    from backend.single_view.layout import Instance
    from backend.single_view.model import SingleViewModel
    from backend.training.checkpoints import Checkpoints


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("folder", type=Path, metavar="FOLDER", help="dataset: CLASS/samples/NAME.npz and CLASS/renders/NAME/00.png")
    add("--out", type=Path, required=True, metavar="MODEL", help="file for the model (.safetensors)")
    add("--split", type=Path, metavar="FILE", help='JSON, {"train": [names], "test": [names]} or nested lists of names')
    add("--hold-out", type=whole_number(0, 100_000), metavar="N", help="hold out N shapes, by chance; default a tenth")
    add("--preset", type=choice("fast", "paper"), default="fast", metavar="P", help="fast (default) or paper (weeks)")
    add_training(parser, "MODEL")


def run(arguments: argparse.Namespace) -> int:
    check_model(arguments.out, arguments)
    if not arguments.folder.is_dir():
        raise CommandError(f"{arguments.folder}: is not a folder; name the one that holds the dataset")
    return train_model(arguments, arguments.out, _train)


def _train(training: ModelTraining) -> str:
    from backend.single_view.layout import instances_in

    instances = instances_in(training.arguments.folder)
    model, checkpoints = _begun(training, instances)
    by_name = {one.name: one for one in instances}
    model = _trained(training, model, [by_name[name] for name in model.names], checkpoints)
    return shapes_and_loss(model.names, model.held_out, model.facts)


def _begun(training: ModelTraining, instances: list[Instance]) -> tuple[SingleViewModel, Checkpoints]:
    """The model before its training, and the checkpoints to begin with."""
    from backend.single_view.model import SingleViewModel, read_model
    from backend.single_view.settings import preset
    from backend.single_view.training import box_of_shapes

    arguments, work = training.arguments, training.work
    names = [one.name for one in instances]
    if training.resumed:
        model = training.begun(read_model)
        training.check_shapes(model.names, names)
        return model, training.checkpoints(model.settings.keep_every)
    train, test = _split(names, arguments)
    settings = preset(arguments.preset, len(train), training.changes)
    with work.phase("reading"):
        box = box_of_shapes([instances[k] for k in train], work.progress)
    chosen, held_out = ([names[k] for k in part] for part in (train, test))
    model = SingleViewModel.begun(
        settings, chosen, held_out, box, up=up_of(arguments.folder), preset=arguments.preset, seed=arguments.seed
    )
    return model, training.checkpoints(settings.keep_every)


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
    training: ModelTraining, model: SingleViewModel, instances: list[Instance], checkpoints: Checkpoints
) -> SingleViewModel:
    """The model as far as it came, written."""
    from backend.single_view.model import write_model
    from backend.single_view.training import codes_of, train_single_view

    run = training.run(model.seed)
    model.network.requires_grad_(True).to(run.device)
    with naming_output(training.out), begun_on_disk(checkpoints, lambda path: write_model(path, model)):
        outcome = train_single_view(model.network, instances, run, checkpoints)
        codes = codes_of(model.network, instances, training.work)
        model.network.to("cpu")
        model = replace(model, codes=codes, facts=outcome.model_facts())
        write_model(training.out, model)
    return model
