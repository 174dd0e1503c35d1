"""The networks of implicit dense correspondence: encoder, implicit function with part embeddings, inverse function.

Liu and Liu, *Learning Implicit Functions for Topology-Varying Dense 3D Shape Correspondence*, NeurIPS 2020.
A shape's code z comes from a cloud of its surface points. f(z, x) gives the embedding o in [0, 1]^k of a point, one
number for each of k branches; the largest of them is the occupancy. g(z, o) takes an embedding back to the place on
the shape with code z. Points of two shapes correspond where their embeddings agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.02  # of the leaky rectifiers below 0
START_GAIN = 3.0  # of weights on places and embeddings, at the start


@dataclass(frozen=True)
class Widths:
    """The sizes of the networks; the defaults are the paper's."""

    points: tuple[int, ...] = (64, 64, 64, 128, 1024)  # encoder, for every point, the last without an activation
    cloud: int = 512  # encoder, after the maximum over the points
    code: int = 256  # z
    implicit: tuple[int, ...] = (3072, 384)
    branches: int = 12  # k
    inverse: tuple[int, ...] = (512, 512, 512, 512)  # before z and o come in once more
    inverse_after: tuple[int, ...] = (512, 512, 512)


class Encoder(nn.Module):
    """A PointNet without normalisation: clouds [S, N, 3] -> codes [S, Z], whatever the order of the points."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.points = _layers((3, *widths.points))
        self.cloud = _layers((widths.points[-1], widths.cloud, widths.code))

    def forward(self, clouds: Tensor) -> Tensor:
        hidden = clouds
        for layer in self.points[:-1]:
            hidden = functional.relu(layer(hidden))
        hidden = self.points[-1](hidden).amax(dim=-2)
        for layer in self.cloud[:-1]:
            hidden = functional.relu(layer(hidden))
        codes: Tensor = self.cloud[-1](hidden)
        return codes


class ImplicitFunction(nn.Module):
    """f: codes [S, Z] and points [S, N, 3] -> embeddings [S, N, k] in [0, 1]; takes (x, z) in this order."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.layers = _layers((3 + widths.code, *widths.implicit, widths.branches))

    def forward(self, codes: Tensor, points: Tensor) -> Tensor:
        hidden = _joined(self.layers[0], points, codes[..., None, :])
        for layer in self.layers[1:]:
            hidden = layer(functional.leaky_relu(hidden, SLOPE))
        return torch.sigmoid(hidden)


class InverseFunction(nn.Module):
    """g: codes [S, Z] and embeddings [S, N, k] -> points [S, N, 3] in (-1, 1); takes (z, o) in this order, twice."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        known = widths.code + widths.branches
        self.before = _layers((known, *widths.inverse))
        self.after = _layers((widths.inverse[-1] + known, *widths.inverse_after, 3))

    def forward(self, codes: Tensor, embeddings: Tensor) -> Tensor:
        codes = codes[..., None, :]
        hidden = functional.leaky_relu(_joined(self.before[0], codes, embeddings), SLOPE)
        for layer in self.before[1:]:
            hidden = functional.leaky_relu(layer(hidden), SLOPE)
        hidden = _joined(self.after[0], hidden, codes, embeddings)
        for layer in self.after[1:]:
            hidden = layer(functional.leaky_relu(hidden, SLOPE))
        return torch.tanh(hidden)


class DenseNetworks(nn.Module):
    """Encoder, f and g together."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        self.widths = widths
        self.encoder = Encoder(widths)
        self.implicit = ImplicitFunction(widths)
        self.inverse = InverseFunction(widths)

    def start_(self, generator: torch.Generator) -> None:
        """Weights U(-a, a), a = sqrt(6 / inputs) (He et al., ICCV 2015), biases U(-a, a) / 4.

        Places in a box of diagonal 1 and embeddings are few numbers that vary little: their columns begin larger, or
        all points of a shape would be the same to the later layers for hundreds of steps.
        """
        with torch.no_grad():
            for layer in (module for module in self.modules() if isinstance(module, nn.Linear)):
                bound = math.sqrt(6.0 / layer.in_features)
                layer.weight.uniform_(-bound, bound, generator=generator)
                layer.bias.uniform_(-bound / 4, bound / 4, generator=generator)
            places, embeddings = slice(0, 3), slice(-self.widths.branches, None)
            for module, columns in (
                (self.encoder.points[0], places),
                (self.implicit.layers[0], places),
                (self.inverse.before[0], embeddings),
                (self.inverse.after[0], embeddings),
            ):
                weight = _linear(module).weight[:, columns]
                bound = START_GAIN * math.sqrt(6.0 / weight.shape[1])
                weight.uniform_(-bound, bound, generator=generator)


def occupancy(embeddings: Tensor) -> Tensor:
    """How far each point is inside, 0..1: the largest of its branches [..., k] -> [...]. The surface is at one half."""
    return embeddings.amax(dim=-1)


def _layers(sizes: tuple[int, ...]) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))


def _linear(module: nn.Module) -> nn.Linear:
    assert isinstance(module, nn.Linear)
    return module


def _joined(layer: nn.Module, *parts: Tensor) -> Tensor:
    """The layer on its inputs side by side; what all points of a shape share, [S, 1, C], is multiplied only once."""
    columns = torch.split(_linear(layer).weight, [part.shape[-1] for part in parts], dim=1)
    shared = [part.shape[-2] == 1 for part in parts]
    result: Tensor = _linear(layer).bias
    for once in (True, False):
        for part, column, is_shared in zip(parts, columns, shared, strict=True):
            if is_shared == once:
                result = result + functional.linear(part, column)
    return result
