"""The time-varying implicit surface f(x, t): its zero level at time t is the surface at that time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from backend.fields.mlp import Mlp, MlpShape

ValueAndGradient = Callable[[Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class ImplicitValue:
    """f and its first derivatives at N points."""

    value: Tensor  # [N]
    gradient: Tensor  # [N, 3], in space
    rate: Tensor  # [N], df / dt, t from 0 to 1


class ImplicitField(nn.Module):
    """INSD's implicit network: 8 layers of 256, softplus (beta 100), (x, t) again at the fourth."""

    def __init__(self, width: int = 256, depth: int = 8, *, radius: float = 1.0, seed: int = 0) -> None:
        """Starts near the distance to a sphere of ``radius`` around the origin, at every time."""
        super().__init__()
        self.mlp = Mlp(MlpShape(4, 1, width, depth, "softplus", skip=3 if depth > 3 else None))
        geometric_(self.mlp, radius, torch.Generator().manual_seed(seed))
        self._value_and_gradient: ValueAndGradient = self.mlp.value_and_gradient

    def evaluated_by(self, make: Callable[[ValueAndGradient], ValueAndGradient]) -> None:
        """Replaces how value and gradient are computed, by a compiled form of the same."""
        self._value_and_gradient = make(self.mlp.value_and_gradient)

    def forward(self, points: Tensor, time: float | Tensor) -> Tensor:
        """f [N] at ``points`` [N, 3] and ``time``, one number or one a point."""
        value: Tensor = self.mlp(self._inputs(points, time))
        return value[:, 0]

    def derivatives(self, points: Tensor, time: float | Tensor) -> ImplicitValue:
        """f with its gradient and its rate of change in time. Cost: 2 passes."""
        value, gradient = self._value_and_gradient(self._inputs(points, time))
        return ImplicitValue(value, gradient[:, :3], gradient[:, 3])

    def _inputs(self, points: Tensor, time: float | Tensor) -> Tensor:
        column = torch.as_tensor(time, dtype=points.dtype, device=points.device).reshape(-1, 1)
        return torch.cat([points, column.expand(len(points), 1)], dim=1)


def geometric_(mlp: Mlp, radius: float, generator: torch.Generator) -> None:
    """Weights with which a softplus or ReLU network of (x, t) is about |x| - radius.

    Atzmon and Lipman, CVPR 2020 (SAL), theorem 1, as INSD uses it: hidden weights N(0, 2 / outputs), the last layer's
    sqrt(pi / inputs) and nearly equal, biases 0 but the last, -radius. Time has no weight in the first layer, and here
    none where the input enters again either; the authors leave that part random, and f moves before it is trained.
    """
    with torch.no_grad():
        for index in range(mlp.shape.depth):
            layer = mlp.layer(index)
            layer.weight.normal_(0.0, math.sqrt(2.0 / layer.out_features), generator=generator)
            layer.bias.zero_()
            if index in (0, mlp.shape.skip):
                layer.weight[:, -1] = 0.0
        last = mlp.layer(-1)
        last.weight.normal_(math.sqrt(math.pi / last.in_features), 1e-5, generator=generator)
        last.bias.fill_(-radius)
