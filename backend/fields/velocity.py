"""Velocity fields V(x, t): the paper's network and the small ones the default method uses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backend.fields.mlp import Jets, Mlp, MlpShape, lecun_normal_, sine_


@dataclass(frozen=True)
class VelocityShape:
    """The form of a velocity network; with the weights it is all a checkpoint needs."""

    width: int = 128
    depth: int = 3
    activation: str = "sine"
    skip: int | None = None
    time_dependent: bool = True
    output_scale: float = 1.0  # the network's output times this is the velocity, in units per unit of time
    space_frequency: float = 4.0  # radians per unit; sine networks only
    time_frequency: float = 2.0  # radians per unit of time; sine networks only


def paper_shape(
    steps: int, activation: str = "relu", *, time_dependent: bool = False, width: int = 256, depth: int = 8
) -> VelocityShape:
    """INSD's network: 8 layers of 256 with the input again at the fourth.

    Theirs returns the displacement of one of ``steps`` steps; ours the velocity, ``steps`` times as much, so that the
    field means the same whatever number of steps it is integrated with. Theirs is stationary.
    """
    skip = 3 if depth > 3 else None
    return VelocityShape(width, depth, activation, skip, time_dependent, output_scale=float(steps))


class VelocityField(nn.Module):
    """V(x, t) by a network of x, or of x and t. Points are in unit coordinates, time runs from 0 to 1."""

    def __init__(self, shape: VelocityShape, *, seed: int = 0, zero_last: bool = True) -> None:
        """``zero_last``: start with no motion at all; the authors start with random motion, far from the identity."""
        super().__init__()
        self.shape = shape
        inputs = 4 if shape.time_dependent else 3
        self.mlp = Mlp(MlpShape(inputs, 3, shape.width, shape.depth, shape.activation, shape.skip))
        generator = torch.Generator().manual_seed(seed)
        if shape.activation == "sine":
            frequencies = torch.tensor([shape.space_frequency] * 3 + [shape.time_frequency] * (inputs - 3))
            sine_(self.mlp, frequencies, generator)
        else:
            lecun_normal_(self.mlp, generator)
        if zero_last:
            nn.init.zeros_(self.mlp.layer(-1).weight)

    def forward(self, points: Tensor, time: float | Tensor) -> Tensor:
        """Velocity [N, 3] at ``points`` [N, 3] and ``time``, one number or one a point ([N] or [N, 1])."""
        velocity: Tensor = self.mlp(self._inputs(points, time))
        return velocity * self.shape.output_scale

    def features(self, points: Tensor, time: float | Tensor) -> Tensor:
        """What the last layer sees, times the output scale [N, width]: V = features @ weight.T + scale * bias."""
        return self.mlp.features(self._inputs(points, time)) * self.shape.output_scale

    def jets(self, points: Tensor, time: float | Tensor, *, second: bool = False) -> Jets:
        """Velocity [N, 3], its Jacobian in space [N, 3, 3] and, with ``second``, its Laplacian [N, 3].

        Cost: 4 passes, 5 with the Laplacian.
        """
        jets = self.mlp.jets(self._inputs(points, time), 3, second=second)
        scale = self.shape.output_scale
        laplacian = None if jets.laplacian is None else jets.laplacian * scale
        return Jets(jets.value * scale, jets.jacobian * scale, laplacian)

    def _inputs(self, points: Tensor, time: float | Tensor) -> Tensor:
        if not self.shape.time_dependent:
            return points
        if isinstance(time, Tensor) and time.ndim:
            column = time.to(points).reshape(-1, 1)
        else:
            column = points.new_full((1, 1), float(time))
        return torch.cat([points, column.expand(len(points), 1)], dim=1)
