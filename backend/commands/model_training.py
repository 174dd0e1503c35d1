"""A command that trains a model: what those that do so share, from their options to the line that they end with."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from backend.commands.interrupt import Interrupt
from backend.commands.model_file import BEGUN, is_resumed
from backend.commands.parser import CommandError
from backend.commands.progress import Progress, duration

if TYPE_CHECKING:
    from backend.commands.watch import Watch
    from backend.training.checkpoints import Checkpoints
    from backend.training.run import Run

Model = TypeVar("Model")


@dataclass(frozen=True)
class ModelTraining:
    """What is asked for by the options of ``add_training``, and what tells of it."""

    arguments: argparse.Namespace
    out: Path  # file of the model
    work: Run  # what is done before the training and after it
    watch: Watch

    @property
    def resumed(self) -> bool:
        """Whether it goes on with an earlier one."""
        return is_resumed(self.arguments)

    @property
    def changes(self) -> dict[str, int]:
        """What differs from the preset's settings."""
        return {} if self.arguments.steps is None else {"steps": self.arguments.steps}

    def begun(self, read: Callable[[Path], Model]) -> Model:
        """The model that the earlier training began with."""
        from backend.training.checkpoints import checkpoints_of

        return read(checkpoints_of(self.out) / BEGUN)

    def check_shapes(self, names: Iterable[str], there: Iterable[str]) -> None:
        """Raises ``CommandError`` unless all shapes that the earlier training began with are there again."""
        missing = set(names) - set(there)
        if missing:
            raise CommandError(
                f"{self.arguments.folder}: has no {min(missing)}, which {self.arguments.out} was begun on; name the "
                "folder that it was begun on"
            )

    def checkpoints(self, every: int) -> Checkpoints:
        """Where states are kept, every so many steps, and the one to go on from. Raises ``SettingError``."""
        from backend.training.checkpoints import LATEST, Checkpoints, checkpoint_named, checkpoints_of

        folder = checkpoints_of(self.out)
        start = checkpoint_named(folder, self.arguments.checkpoint or LATEST) if self.resumed else None
        return Checkpoints(folder, every, start)

    def run(self, seed: int) -> Run:
        """The training itself, whose time begins now; Ctrl-C ends it in order."""
        from backend.training.run import Run

        run = Run(device=self.work.device, seed=seed, seconds=self.arguments.seconds, on_progress=self.watch)
        self.watch.run = run
        return run


def train_model(arguments: argparse.Namespace, out: Path, train: Callable[[ModelTraining], str]) -> int:
    """The status of the command. ``train`` writes the model to ``out`` and says in a few words what it is."""
    from backend.commands.watch import Watch
    from backend.device import choose_device, configure
    from backend.training.run import Run

    configure()
    device = choose_device(arguments.device)
    cpu = time.process_time()
    with Progress() as progress, Interrupt(progress.note, at_once=True) as interrupt:
        work = Run(device=device, seed=arguments.seed, on_progress=progress)
        said = train(ModelTraining(arguments, out, work, Watch(progress, interrupt)))
        finished = not interrupt.asked
    done = "trained" if finished else "stopped; --resume goes on with it"
    sys.stdout.write(f"{out}: {done}; {said}, {duration(time.process_time() - cpu)} of processor time\n")
    return 0 if finished else 130


def shapes_and_loss(names: Sequence[str], held_out: Sequence[str], facts: Mapping[str, Any]) -> str:
    """What is said of a model of so many shapes."""
    loss = facts["loss"]
    held = f", {len(held_out)} held out" if held_out else ""
    known = "not known yet" if loss is None else f"{loss:.3g}"
    return f"{len(names)} shapes{held}, {facts['steps']} steps, loss {known}"
