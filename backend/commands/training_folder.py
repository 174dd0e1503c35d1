"""The checkpoints of ``fit``, of a training that ended and of one that was broken off: both can be gone on with.

While it runs, a training keeps its checkpoints in a hidden folder of the output folder. Where it ends well they take
the place of those of an earlier one; where it is killed they stay there, and are the latest.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from backend.commands.aside import PREFIX
from backend.commands.parser import CommandError
from backend.geometry.shape import Shape
from backend.surfaces.dataset import Dataset
from backend.training.checkpoints import LATEST, Checkpoints, checkpoint_named, checkpoints_in, step_of
from protocol.settings import SettingValue

ENDED = "checkpoints"
GOING = f"{PREFIX}training"
FACTS = "training.json"
DIGITS = 16  # of a fingerprint


@dataclass(frozen=True)
class Training:
    """What must be the same when a training goes on."""

    method: str
    mode: str
    preset: str
    settings: Mapping[str, SettingValue]  # changes to the preset
    seed: int
    kind: str
    dimension: int | None
    input: str  # fingerprint of the shape or the dataset


class TrainingFolder:
    """The checkpoints in the output folder ``out``."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._ended, self._going = out / ENDED, out / GOING

    def earlier(self, which: str) -> tuple[Training, Path]:
        """What was trained, and its checkpoint ``which``: a step, or ``latest``. One that was broken off goes first."""
        folder = self._going if checkpoints_in(self._going) else self._ended
        start = checkpoint_named(folder, which.lower())
        try:
            facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
            return Training(**facts), start
        except (OSError, ValueError, TypeError) as error:
            raise CommandError(
                f"{folder / FACTS}: does not tell what was trained ({error}); leave out --checkpoint to begin anew"
            ) from error

    def begin(self, training: Training, start: Path | None) -> None:
        """Makes the folder of a training that goes on from ``start``, with the checkpoints up to there."""
        if start is None or start.parent != self._going:
            shutil.rmtree(self._going, ignore_errors=True)
            self._going.mkdir(parents=True)
            if start is not None:
                for path in checkpoints_in(start.parent):
                    if step_of(path) <= step_of(start):
                        _link(path, self._going / path.name)
        else:
            for path in checkpoints_in(self._going):
                if step_of(path) > step_of(start):
                    path.unlink()
        (self._going / FACTS).write_text(json.dumps(asdict(training), indent=1) + "\n", encoding="utf-8")

    def checkpoints(self, every: int, start: Path | None) -> Checkpoints:
        """Where the training keeps its states, every so many steps."""
        return Checkpoints(self._going, every, start)

    def end(self) -> None:
        """The training ended well: its checkpoints take the place of earlier ones."""
        if self._going.is_dir():
            shutil.rmtree(self._ended, ignore_errors=True)
            self._going.replace(self._ended)

    @contextmanager
    def broken_off(self, note: Callable[[str], None]) -> Iterator[None]:
        """For the training: where it is broken off within, its checkpoints stay. Without any, nothing is left of it."""
        try:
            yield
        except BaseException:
            if checkpoints_in(self._going):
                note(f"the training so far is kept; the same command with --checkpoint {LATEST} goes on with it")
            elif self._going.is_dir():
                shutil.rmtree(self._going, ignore_errors=True)
                with suppress(OSError):  # there are other things in it
                    self._out.rmdir()
            raise


def fingerprint(of: Shape | Dataset) -> str:
    """The same for the same points and what joins them."""
    if isinstance(of, Shape):
        arrays = {"points": of.points, "normals": of.normals, "triangles": of.triangles, "segments": of.segments}
    else:
        arrays = dict(of.arrays)
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        if array is not None:
            found.update(f"{name} {array.shape}".encode())
            found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:DIGITS]


def _link(source: Path, target: Path) -> None:
    """A second name for a file, or a copy on a disk that knows none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
