"""The arrays that the authors' networks left, and the weights that the formula beside them fills those with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

DATA = Path(__file__).parents[1] / "data"
Shapes = Sequence[tuple[str, list[int]]]  # name and shape of each parameter, in the authors' order


def outputs_of(name: str) -> dict[str, Tensor]:
    """What was put into the networks of an array file, and what came out."""
    with np.load(DATA / f"{name}.npz") as stored:
        return {key: torch.from_numpy(stored[key]) for key in stored.files if key != "params"}


def described_in(name: str) -> dict[str, Any]:
    """What an array file says of the parameters."""
    with np.load(DATA / f"{name}.npz") as stored:
        described: dict[str, Any] = json.loads(str(stored["params"]))
    return described


def filled(shape: Sequence[int], number: int, gain: float, inputs: int | None = None) -> Tensor:
    """Parameter ``number`` as the formula fills it; a bias has one dimension, ``inputs`` else: all but the first."""
    index = np.arange(np.prod(shape), dtype=np.float64)
    z = np.sin(12.9898 * (index + 1) + 78.233 * (number + 1)) * 43758.5453
    entering = np.prod(shape[1:]) if inputs is None else inputs
    scale = gain * np.sqrt(6.0 / entering) if len(shape) > 1 else 0.1
    return torch.from_numpy((scale * (2.0 * (z - np.floor(z)) - 1.0)).reshape(shape))


def fill(module: nn.Module, shapes: Shapes, gain: float) -> None:
    """Gives a module, whose parameters are in the authors' order, all of them; theirs may have more dimensions of 1."""
    with torch.no_grad():
        for number, (ours, (_, shape)) in enumerate(zip(module.parameters(), shapes, strict=True)):
            ours.copy_(filled(shape, number, gain).reshape(ours.shape))
