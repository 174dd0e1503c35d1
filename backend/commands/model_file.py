"""The file of a model that a command trains, and the checkpoints beside it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from backend.commands.output import check_file
from backend.commands.parser import CommandError, Parser, seconds, whole_number

if TYPE_CHECKING:
    from backend.training.checkpoints import Checkpoints

SHIPPED = "shipped"  # in the place of a file
BEGUN = "begun.safetensors"  # beside the checkpoints: the model before its training


def add_training(parser: Parser, result: str) -> None:
    """The options of every training; ``result`` is what its help calls the file or folder that it leaves."""
    add = parser.add_argument
    add("--seconds", type=seconds, metavar="S", help="time of this training; default: until its steps are done")
    add("--resume", action="store_true", help=f"go on with the training that left {result}; its settings stay")
    add("--checkpoint", metavar="N", help="go on from the state after N steps, or from the latest")
    add("--steps", type=whole_number(1, 100_000_000), metavar="N", help="steps instead of the preset's")
    add("--seed", type=whole_number(0, 2**31 - 1), default=0, metavar="N", help="default 0")
    add("--force", action="store_true", help=f"replace an earlier {result} and its checkpoints")
    add("--device", default="cpu", metavar="D", help="cpu (default), cuda, mps or auto")


def is_shipped(arguments: argparse.Namespace, kind: str) -> bool:
    """Whether the model that is asked for is the one that comes with the program, which is called a ``kind``."""
    if str(arguments.model) != SHIPPED or arguments.model.exists():
        return False
    if arguments.checkpoint is not None:
        raise CommandError(f"the shipped {kind} has no checkpoints; leave out --checkpoint")
    return True


def is_resumed(arguments: argparse.Namespace) -> bool:
    """Whether the options of a training ask to go on with an earlier one."""
    return arguments.resume or arguments.checkpoint is not None


def check_model(out: Path, arguments: argparse.Namespace) -> None:
    """Raises ``CommandError`` unless the training that is asked for may write ``out`` and its checkpoints."""
    from backend.training.checkpoints import checkpoints_in, checkpoints_of

    check_file(out)
    there, resumed = bool(checkpoints_in(checkpoints_of(out))), is_resumed(arguments)
    if resumed and not there:
        raise CommandError(f"{out}: no training has left checkpoints for it; leave out --resume and --checkpoint")
    if resumed and arguments.steps is not None:
        raise CommandError("the steps of a training stay as it began; leave out --steps, or --resume and --checkpoint")
    if out.exists() and not (there or arguments.force):
        raise CommandError(f"{out}: there is a model already, without checkpoints; add --force to replace it")
    if there and not (resumed or arguments.force):
        raise CommandError(f"{out}: there is a training of it; add --resume to go on with it, or --force to replace it")


@contextmanager
def begun_on_disk(checkpoints: Checkpoints, write: Callable[[Path], None]) -> Iterator[None]:
    """The folder of the checkpoints, in the place of an earlier one's; it goes again where none came to be.

    ``write`` writes the model before its training to a path.
    """
    from backend.training.checkpoints import checkpoints_in

    folder = checkpoints.folder
    try:
        if checkpoints.start is None:
            for old in checkpoints_in(folder):
                old.unlink()
            folder.mkdir(exist_ok=True)
            write(folder / BEGUN)
        yield
    finally:
        if not checkpoints_in(folder):
            with suppress(OSError):  # there are other things in it
                (folder / BEGUN).unlink(missing_ok=True)
                folder.rmdir()
