"""``shape-space train``: from a folder of shapes to a space of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from backend.commands.model_file import add_training, begun_on_disk, check_model
from backend.commands.model_training import ModelTraining, shapes_and_loss, train_model
from backend.commands.output import naming_output
from backend.commands.parser import Parser, choice, whole_number
from backend.commands.shape_space.shapes import shapes_in, split

if TYPE_CHECKING:
    from backend.surfaces.space.model import ShapeSpace
    from backend.surfaces.space.samples import NamedShape
    from backend.training.checkpoints import Checkpoints


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
    check_model(arguments.out, arguments)
    return train_model(arguments, arguments.out, _train)


def _train(training: ModelTraining) -> str:
    tell = training.work.on_progress
    shapes = shapes_in(training.arguments.folder, lambda step, steps: tell("reading", step, steps, None, None))
    space, checkpoints = _begun(training, shapes)
    space = _trained(training, space, shapes, checkpoints)
    return shapes_and_loss(space.names, space.held_out, space.facts)


def _begun(training: ModelTraining, shapes: Sequence[NamedShape]) -> tuple[ShapeSpace, Checkpoints]:
    """The space before its training, and the checkpoints to begin with."""
    import numpy as np

    from backend.surfaces.space.model import ShapeSpace, read_space
    from backend.surfaces.space.settings import preset

    arguments = training.arguments
    names = [named.name for named in shapes]
    if training.resumed:
        space = training.begun(read_space)
        training.check_shapes(space.names, names)
        return space, training.checkpoints(space.network.settings.keep_every)
    train, test = split(names, arguments.split, arguments.hold_out)
    settings = preset(arguments.preset, len(train), training.changes)
    points = np.concatenate([named.shape.used() for named in shapes])
    chosen, held_out = ([names[k] for k in part] for part in (train, test))
    space = ShapeSpace.begun(settings, chosen, held_out, points, preset=arguments.preset, seed=arguments.seed)
    return space, training.checkpoints(settings.keep_every)


def _trained(
    training: ModelTraining, space: ShapeSpace, shapes: Sequence[NamedShape], checkpoints: Checkpoints
) -> ShapeSpace:
    """The space as far as it came, written."""
    from backend.surfaces.space.model import write_space
    from backend.surfaces.space.training import prepared, train_space

    work, by_name = training.work, {named.name: named for named in shapes}
    with work.phase("sampling"):
        samples, parents = prepared(space, [by_name[name] for name in space.names], work.progress)
    run = training.run(space.seed)
    space.network.requires_grad_(True).to(run.device)
    with naming_output(training.out), begun_on_disk(checkpoints, lambda path: write_space(path, space)):
        outcome = train_space(space.network, samples, run, checkpoints, parents=parents)
        space.network.to("cpu")
        space = replace(space, facts=outcome.model_facts())
        write_space(training.out, space)
    return space
