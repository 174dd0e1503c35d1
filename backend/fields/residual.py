"""What is added to a known distance: a network of space and time that is nothing at both ends of the motion."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backend.fields.implicit import ImplicitValue
from backend.fields.mlp import Mlp, MlpShape, sine_


@dataclass(frozen=True)
class ResidualShape:
    """The form of the network; with the weights it is all a checkpoint needs."""

    width: int = 64
    depth: int = 3
    space_frequency: float = 3.0  # radians per unit
    time_frequency: float = 2.0  # radians per unit of time


def window(time: Tensor) -> tuple[Tensor, Tensor]:
    """4 t (1 - t) and its derivative."""
    return 4 * time * (1 - time), 4 - 8 * time


class ResidualField(nn.Module):
    """r(x, t) = 4 t (1 - t) N(x, t), 0 before it is trained. Points are in frame units, time runs from 0 to 1."""

    def __init__(self, shape: ResidualShape, *, seed: int = 0) -> None:
        super().__init__()
        self.shape = shape
        self.mlp = Mlp(MlpShape(4, 1, shape.width, shape.depth, "sine"))
        frequencies = torch.tensor([shape.space_frequency] * 3 + [shape.time_frequency])
        sine_(self.mlp, frequencies, torch.Generator().manual_seed(seed))
        nn.init.zeros_(self.mlp.layer(-1).weight)
        nn.init.zeros_(self.mlp.layer(-1).bias)

    def forward(self, points: Tensor, times: Tensor) -> Tensor:
        """r [N] at ``points`` [N, 3] and ``times`` [N]."""
        value: Tensor = window(times)[0] * self.mlp(torch.cat([points, times[:, None]], dim=1))[:, 0]
        return value

    def derivatives(self, points: Tensor, times: Tensor) -> ImplicitValue:
        """r with its gradient in space and its rate of change in time. Cost: 2 passes."""
        value, gradient = self.mlp.value_and_gradient(torch.cat([points, times[:, None]], dim=1))
        open_, opening = window(times)
        return ImplicitValue(open_ * value, open_[:, None] * gradient[:, :3], open_ * gradient[:, 3] + opening * value)
