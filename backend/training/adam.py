"""Adam. PyTorch's own brings its compiler along when it is made: a second and 70 MB before the first step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

FIRST, SECOND, EPSILON = 0.9, 0.999, 1e-8  # decay of the mean and of the mean square; the usual values


class Adam:
    """Adam (Kingma and Ba, ICLR 2015, algorithm 1) over a fixed list of parameters.

    ``shares``: the learning rate of each of them, in shares of what ``step`` is given; None: 1.
    """

    def __init__(self, parameters: list[nn.Parameter], shares: Sequence[float] | None = None) -> None:
        self.parameters: list[Tensor] = list(parameters)
        self._shares = None if shares is None else list(shares)
        self.updates = 0
        self._mean = [torch.zeros_like(p) for p in parameters]
        self._square = [torch.zeros_like(p) for p in parameters]

    def step(self, gradients: list[Tensor], rate: float) -> None:
        """One update with learning rate ``rate``; ``gradients`` in the order of the parameters."""
        self.updates += 1
        with torch.no_grad():
            torch._foreach_lerp_(self._mean, gradients, 1.0 - FIRST)
            torch._foreach_mul_(self._square, SECOND)
            torch._foreach_addcmul_(self._square, gradients, gradients, 1.0 - SECOND)
            spread = torch._foreach_sqrt(self._square)
            torch._foreach_div_(spread, math.sqrt(1.0 - SECOND**self.updates))
            torch._foreach_add_(spread, EPSILON)
            if self._shares is not None:
                torch._foreach_div_(spread, self._shares)
            torch._foreach_addcdiv_(self.parameters, self._mean, spread, -rate / (1.0 - FIRST**self.updates))

    def state(self) -> dict[str, Tensor]:
        """What ``restore`` needs to go on as if nothing had happened."""
        kept = {"updates": torch.tensor(self.updates)}
        for index, (mean, square) in enumerate(zip(self._mean, self._square, strict=True)):
            kept |= {f"mean.{index}": mean, f"square.{index}": square}
        return kept

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes up a ``state()`` of the same parameters. ``KeyError`` or ``RuntimeError`` where it is of others."""
        self.updates = int(state["updates"])
        for index, (mean, square) in enumerate(zip(self._mean, self._square, strict=True)):
            mean.copy_(state[f"mean.{index}"])
            square.copy_(state[f"square.{index}"])
