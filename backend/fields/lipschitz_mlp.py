"""``LipschitzMlp``: a network whose layers each have a trainable bound, and so has the whole.

Liu et al., *Learning Smooth Neural Functions via Lipschitz Regularization*, SIGGRAPH 2022, section 4: a layer is
y = act(x W^T min(1, softplus(c) / sum_j |W_ij|) + b). Every row of absolute weights sums up to softplus(c) at most,
which is the layer's Lipschitz constant in the infinity norm; that of the network is at most their product.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.fields.activations import ACTIVATIONS
from backend.fields.mlp import Mlp, MlpShape, value_and_gradient

NO_STEEPER = ("relu", "softplus", "sine")  # activations whose slope is 1 at most
NOTHING = 1e-30  # a row of zeros has no sum to divide by


class LipschitzMlp(nn.Module):
    """A plain network with one bound a layer, the last one included, in training and in evaluation alike."""

    def __init__(self, shape: MlpShape) -> None:
        if shape.skip is not None or shape.activation not in NO_STEEPER:
            raise ValueError(f"the bound holds without skips and with activations among {', '.join(NO_STEEPER)}")
        super().__init__()
        self.shape = shape
        self.activation = ACTIVATIONS[shape.activation]
        self.mlp = Mlp(shape)
        self.c = nn.Parameter(torch.zeros(len(self.mlp.layers)))
        self.bound_()

    def bound_(self) -> None:
        """Sets every c to the largest absolute row sum of its layer; softplus(c) is larger, so no weight changes."""
        with torch.no_grad():
            for index in range(len(self.mlp.layers)):
                self.c[index] = self.mlp.layer(index).weight.abs().sum(dim=1).max()

    def layers(self) -> list[tuple[Tensor, Tensor]]:
        """Weight within its bound [O, I] and bias [O] of every layer; differentiable."""
        found: list[tuple[Tensor, Tensor]] = []
        for index, bound in enumerate(functional.softplus(self.c)):
            layer = self.mlp.layer(index)
            sums = layer.weight.abs().sum(dim=1, keepdim=True).clamp(min=NOTHING)  # [O, 1]
            found.append((layer.weight * (bound / sums).clamp(max=1.0), layer.bias))
        return found

    def forward(self, inputs: Tensor) -> Tensor:
        """[N, inputs] -> [N, outputs]."""
        *hidden, (last, last_bias) = self.layers()
        for weight, bias in hidden:
            inputs = self.activation.value(functional.linear(inputs, weight, bias))
        return functional.linear(inputs, last, last_bias)

    def value_and_gradient(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Of a network with one output: value [N] and gradient [N, inputs]; differentiable by one backward pass."""
        return value_and_gradient(self.layers(), self.activation, inputs)

    def log_bound(self) -> Tensor:
        """Logarithm of the product of all bounds, a scalar in float64."""
        return functional.softplus(self.c.double()).log().sum()

    def normalised(self) -> Mlp:
        """The same function as a plain network of its own, for evaluation."""
        plain = Mlp(self.shape).to(self.c.device)
        with torch.no_grad():
            for index, (weight, bias) in enumerate(self.layers()):
                plain.layer(index).weight.copy_(weight)
                plain.layer(index).bias.copy_(bias)
        return plain.requires_grad_(False)


def wide_normal_(network: LipschitzMlp, generator: torch.Generator) -> None:
    """Weights N(0, 2 / outputs), biases 0: the start of the re-implementation in INSD's code."""
    with torch.no_grad():
        for index in range(len(network.mlp.layers)):
            layer = network.mlp.layer(index)
            layer.weight.normal_(0.0, math.sqrt(2.0 / layer.out_features), generator=generator)
            layer.bias.zero_()
    network.bound_()
