"""``Mlp``: the plain network under every field, with its exact space derivatives computed in one pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from backend.fields.activations import ACTIVATIONS, Activation


@dataclass(frozen=True)
class MlpShape:
    """The form of a network. ``skip`` is the layer (0-based) that sees the input a second time; None for no skip."""

    inputs: int
    outputs: int
    width: int
    depth: int  # hidden layers
    activation: str
    skip: int | None = None
    narrow_before: bool = False  # which layer is narrower for the skip

    def sizes(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each hidden layer, then of the last.

        The skip layer takes the input beside its ordinary input. It is narrower by as much, as in INSD's code, or with
        ``narrow_before`` the layer before it is, as in IGR's.
        """
        sizes, before = [], self.inputs
        for layer in range(self.depth):
            skips = layer == self.skip
            narrow = layer + 1 == self.skip if self.narrow_before else skips
            after = self.width - self.inputs if narrow else self.width
            sizes.append((before + self.inputs if skips else before, after))
            before = after
        return [*sizes, (before, self.outputs)]


@dataclass(frozen=True)
class Jets:
    """A map from D coordinates and its derivatives at N points; ``laplacian`` is None when it was not asked for."""

    value: Tensor  # [N, O]
    jacobian: Tensor  # [N, O, D], jacobian[n, o, d] = d value_o / d x_d
    laplacian: Tensor | None  # [N, O]


class Mlp(nn.Module):
    """Linear layers with one activation between them, and optionally the input once more in the middle."""

    def __init__(self, shape: MlpShape) -> None:
        super().__init__()
        self.shape = shape
        self.activation = ACTIVATIONS[shape.activation]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in shape.sizes())

    def forward(self, inputs: Tensor) -> Tensor:
        """[N, inputs] -> [N, outputs]. Cost: one pass."""
        outputs: Tensor = self.layer(-1)(self.features(inputs))
        return outputs

    def features(self, inputs: Tensor) -> Tensor:
        """What the last layer sees: [N, inputs] -> [N, width]."""
        hidden = inputs
        for index in range(self.shape.depth):
            hidden = self.activation.value(self.layer(index)(self._joined(index, hidden, inputs)))
        return hidden

    def jets(self, inputs: Tensor, directions: int, *, second: bool) -> Jets:
        """Value, Jacobian and (with ``second``) Laplacian over the first ``directions`` inputs.

        Value, D tangents and the Laplacian travel through the network together (forward mode, to second order):
        1 + D passes without the Laplacian, 2 + D with it, and ordinary autograd differentiates the result.
        """
        basis = torch.eye(directions, inputs.shape[1], dtype=inputs.dtype, device=inputs.device)
        axes = basis[:, None].expand(-1, len(inputs), -1)  # [D, N, I]
        flat = torch.zeros_like(inputs)
        value, tangents, curvature = inputs, axes, flat  # [N, I], [D, N, I], [N, I]
        for index in range(self.shape.depth):
            layer = self.layer(index)
            value, first, second_slope = self.activation.derivatives(layer(self._joined(index, value, inputs)))
            tangents = functional.linear(self._joined(index, tangents, axes), layer.weight)  # before the activation
            if second:
                curvature = first * functional.linear(self._joined(index, curvature, flat), layer.weight)
                curvature = curvature + second_slope * tangents.square().sum(0)
            tangents = first * tangents
        last = self.layer(-1)
        jacobian = functional.linear(tangents, last.weight).permute(1, 2, 0)
        return Jets(last(value), jacobian, functional.linear(curvature, last.weight) if second else None)

    def value_and_gradient(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Of a network with one output: value [N] and gradient [N, inputs], by an explicit reverse sweep."""
        layers = [(self.layer(index).weight, self.layer(index).bias) for index in range(len(self.layers))]
        return value_and_gradient(layers, self.activation, inputs, self.shape.skip)

    def layer(self, index: int) -> nn.Linear:
        """Hidden layer ``index``, or the last layer (-1)."""
        layer = self.layers[index]
        assert isinstance(layer, nn.Linear)
        return layer

    def _joined(self, index: int, hidden: Tensor, inputs: Tensor) -> Tensor:
        if index != self.shape.skip:
            return hidden
        return torch.cat([hidden, inputs], dim=-1) / math.sqrt(2.0)


def value_and_gradient(
    layers: Sequence[tuple[Tensor, Tensor]],  # weight [O, I] and bias [O] of each
    activation: Activation,
    inputs: Tensor,  # [N, inputs]
    skip: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Value [N] and gradient [N, inputs] of the network with these layers and one output, by a reverse sweep.

    Two passes whatever the number of inputs; made of ordinary operations, so that one ordinary backward pass
    differentiates it, the layers too.
    """
    hidden, slopes = inputs, []
    for index, (weight, bias) in enumerate(layers[:-1]):
        if index == skip:
            hidden = torch.cat([hidden, inputs], dim=-1) / math.sqrt(2.0)
        hidden, slope, _ = activation.derivatives(functional.linear(hidden, weight, bias))
        slopes.append(slope)
    last, last_bias = layers[-1]
    value = functional.linear(hidden, last, last_bias)[:, 0]
    row = last.expand(len(inputs), -1)  # [N, width]: d value / d hidden
    skipped = torch.zeros_like(inputs)
    for index in reversed(range(len(slopes))):
        row = (row * slopes[index]) @ layers[index][0]
        if index == skip:
            row = row / math.sqrt(2.0)
            skipped = row[:, -inputs.shape[1] :]
            row = row[:, : -inputs.shape[1]]
    return value, row + skipped


def lecun_normal_(mlp: Mlp, generator: torch.Generator) -> None:
    """Weights N(0, 1 / inputs) cut at two deviations, biases 0: the default of the authors' library."""
    cut_std = 0.87962566103423978  # of a standard normal cut at +-2
    with torch.no_grad():
        for index in range(len(mlp.layers)):
            layer = mlp.layer(index)
            std = 1.0 / math.sqrt(layer.in_features) / cut_std
            nn.init.trunc_normal_(layer.weight, 0.0, std, -2.0 * std, 2.0 * std, generator)
            layer.bias.zero_()


def sine_(mlp: Mlp, frequencies: Tensor, generator: torch.Generator) -> None:
    """Weights for sine layers (SIREN, Sitzmann et al., NeurIPS 2020, section 3.2), frequencies folded into them.

    ``frequencies``, radians per unit, [inputs] of each input or [width, 1] of each feature: the first layer is
    N(0, frequency^2), so that a network of one hidden layer is a set of random Fourier features; later layers
    U(-sqrt(6 / n), sqrt(6 / n)); phases random.
    """
    with torch.no_grad():
        for index in range(len(mlp.layers)):
            layer = mlp.layer(index)
            if index == 0:
                layer.weight.normal_(0.0, 1.0, generator=generator).mul_(frequencies)
                layer.bias.uniform_(-math.pi, math.pi, generator=generator)
            else:
                bound = math.sqrt(6.0 / layer.in_features)
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.bias.zero_()
