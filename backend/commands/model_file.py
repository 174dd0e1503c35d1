"""The file of a model that a command trains, and the checkpoints beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from backend.commands.output import check_file
from backend.commands.parser import CommandError

if TYPE_CHECKING:
    from backend.training.checkpoints import Checkpoints

BEGUN = "begun.safetensors"  # beside the checkpoints: the model before its training


def check_model(out: Path, folder: Path, resumed: bool, force: bool) -> None:
    """Raises ``CommandError`` unless a training may write ``out`` and its checkpoints in ``folder``."""
    from backend.training.checkpoints import checkpoints_in

    check_file(out)
    there = bool(checkpoints_in(folder))
    if resumed and not there:
        raise CommandError(f"{out}: no training has left checkpoints for it; leave out --resume and --checkpoint")
    if (out.exists() or there) and not (resumed or force):
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
