"""The parts of a morph's state: arrays whose names begin with whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from protocol.settings import SettingError

Arrays = Mapping[str, NDArray[Any]]


def named(name: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The arrays as those of ``name``."""
    return {f"{name}.{key}": array for key, array in arrays.items()}


def under(name: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The arrays that ``named`` gave to ``name``, as they were called before."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}


def weights_of(name: str, network: nn.Module) -> dict[str, NDArray[Any]]:
    """The weights of a network as arrays of ``name``."""
    return named(name, {key: weight.detach().cpu().numpy() for key, weight in network.state_dict().items()})


def load_weights(name: str, network: nn.Module, arrays: Arrays) -> None:
    """Gives a network of the same shape the weights that ``weights_of`` made ``arrays`` of. Raises ``SettingError``."""
    try:
        network.load_state_dict({key: torch.tensor(weight) for key, weight in under(name, arrays).items()})
    except RuntimeError as error:  # torch says so where names or shapes differ
        raise SettingError(f"the weights of {name!r} are missing or not those of its network") from error
