"""``DistanceMlp``: a plain network as a distance, with the start that its activation needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from backend.fields.distance_network import DistanceNetwork
from backend.fields.mlp import Mlp, MlpShape, sine_


class DistanceMlp(DistanceNetwork):
    """IGR's network (softplus, the input again in the middle), a SIREN, or ReLU layers."""

    family: ClassVar[str] = "mlp"

    def __init__(
        self,
        dimension: int,
        width: int = 512,
        depth: int = 8,
        activation: str = "softplus",
        skip: int | None = 4,
    ) -> None:
        super().__init__()
        self._form = {
            "dimension": dimension, "width": width, "depth": depth, "activation": activation, "skip": skip
        }  # fmt: skip
        self.mlp = Mlp(MlpShape(dimension, 1, width, depth, activation, skip, narrow_before=True))

    def forward(self, points: Tensor) -> Tensor:
        value: Tensor = self.mlp(points)
        return value[:, 0]

    def value_and_gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        return self.mlp.value_and_gradient(points)

    def form(self) -> Mapping[str, Any]:
        return self._form


def geometric_(mlp: Mlp, radius: float, generator: torch.Generator) -> None:
    """Weights with which a softplus or ReLU network is about |x| - ``radius``, as IGR starts.

    Atzmon and Lipman, CVPR 2020 (SAL), theorem 1: hidden weights N(0, 2 / outputs), the last layer's
    N(sqrt(pi / inputs), 1e-5), biases 0 but the last, -radius.
    """
    with torch.no_grad():
        for index in range(mlp.shape.depth):
            layer = mlp.layer(index)
            layer.weight.normal_(0.0, math.sqrt(2.0 / layer.out_features), generator=generator)
            layer.bias.zero_()
        last = mlp.layer(-1)
        last.weight.normal_(math.sqrt(math.pi / last.in_features), 1e-5, generator=generator)
        last.bias.fill_(-radius)


def sine_start_(mlp: Mlp, frequency: float, generator: torch.Generator, lowest: float | None = None) -> None:
    """Weights for sine layers, ``frequency`` in radians per unit of length; from ``lowest`` on by equal ratios."""
    least = frequency if lowest is None else min(lowest, frequency)
    ratios = torch.linspace(math.log(least), math.log(frequency), mlp.shape.width).exp()
    sine_(mlp, ratios[:, None], generator)
