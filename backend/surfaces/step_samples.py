"""Which samples a training step draws: of the step's own number, so that one that goes on draws as if never stopped."""

from __future__ import annotations

import torch
from torch import Tensor

from backend.training.run import SEEDS

BOX = 1.2  # half the side of the box around the unit frame's middle


class StepSamples:
    """Draws for a run's seed, on its device."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed = seed
        self._device = device
        self._generator = torch.Generator()

    def rows(self, step: int, count: int, batch: int, part: int = 0) -> Tensor:
        """``batch`` of ``count`` rows [batch]; ``part`` tells several draws of a step apart."""
        return torch.randint(count, (batch,), generator=self._at(step, part)).to(self._device)

    def box(self, step: int, batch: int, dimension: int) -> Tensor:
        """Points [batch, D], uniform in the box."""
        places = torch.rand(batch, dimension, generator=self._at(step, -1))
        return (BOX * (2.0 * places - 1.0)).to(self._device)

    def normal(self, step: int, like: Tensor) -> Tensor:
        """Standard normal numbers of the shape of ``like``."""
        return torch.randn(like.shape, generator=self._at(step, -2)).to(self._device)

    def _at(self, step: int, part: int) -> torch.Generator:
        return self._generator.manual_seed((self._seed * SEEDS + step) * 8 + part + 2)
