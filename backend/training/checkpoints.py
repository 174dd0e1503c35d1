"""States of a training on disk, from which it can go on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from backend.fact_file import put_in_place
from backend.training.adam import Adam
from protocol.settings import SettingError

NAME = re.compile(r"step_(\d{6,})\.safetensors\Z")
LATEST = "latest"


@dataclass(frozen=True)
class Checkpoints:
    """A folder with a file every so many steps, and the one to go on from."""

    folder: Path
    every: int = 500  # steps
    start: Path | None = None  # None: from the beginning

    @property
    def done(self) -> int:
        """Steps of the training that this one goes on with."""
        return steps_done(self.start)

    def keep(self, step: int, module: nn.Module, optimiser: Adam) -> None:
        """Writes the state after ``step`` steps; the file is never seen half written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"step_{step:06d}.safetensors"
        tensors = {f"module.{name}": value.detach().contiguous() for name, value in module.state_dict().items()}
        tensors |= {f"optimiser.{name}": value.contiguous() for name, value in optimiser.state().items()}
        put_in_place(path, save(tensors))

    def begin(self, module: nn.Module, optimiser: Adam) -> int:
        """Gives both the state to go on from; the steps that it had done. Raises ``SettingError``."""
        if self.start is not None:
            load_checkpoint(self.start, module, optimiser)
        return self.done


def load_checkpoint(path: Path, module: nn.Module, optimiser: Adam | None = None) -> None:
    """Gives a module the state in a checkpoint's file, and an optimiser of its parameters. Raises ``SettingError``."""
    try:
        tensors = load_file(path)
        module.load_state_dict(_under("module.", tensors))
        if optimiser is not None:
            optimiser.restore(_under("optimiser.", tensors))
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise SettingError(f"{path}: not a checkpoint of this training ({error!r})") from error


def load_state_of(path: Path, which: str | None, module: nn.Module) -> None:
    """Gives the module of a model's file the state of its checkpoint ``which``; leaves it where that is None."""
    if which is not None:
        load_checkpoint(checkpoint_named(checkpoints_of(path), which), module)


def checkpoints_of(path: Path) -> Path:
    """The folder of the checkpoints of a model's file."""
    return path.with_name(f"{path.name}.checkpoints")


def checkpoints_in(folder: Path) -> list[Path]:
    """The files of a folder in the order of their steps; none where there is no folder."""
    return sorted((path for path in folder.glob("step_*.safetensors") if NAME.match(path.name)), key=step_of)


def checkpoint_named(folder: Path, which: str) -> Path:
    """The file of step ``which``, or the last one (``latest``). Raises ``SettingError``."""
    found = {step_of(path): path for path in checkpoints_in(folder)}
    if not found:
        raise SettingError(f"{folder}: holds no checkpoint; leave out --checkpoint to begin a training")
    if which == LATEST:
        return found[max(found)]
    if not which.isdigit() or int(which) not in found:
        raise SettingError(
            f"{folder}: has no checkpoint {which!r}; there are {', '.join(map(str, sorted(found)))} and {LATEST}"
        )
    return found[int(which)]


def step_of(path: Path) -> int:
    """Steps that the state in a checkpoint's file had done."""
    found = NAME.match(path.name)
    if found is None:
        raise SettingError(f"{path}: is not named as a checkpoint is, step_000500.safetensors")
    return int(found[1])


def steps_done(start: Path | None) -> int:
    """Of the training that goes on from a checkpoint; 0 of one that begins."""
    return 0 if start is None else step_of(start)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
