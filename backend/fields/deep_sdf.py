"""``DeepSdf``: one decoder for many shapes, each of them a latent code (Park et al., CVPR 2019, section 4).

The two forms are those that MeshSDF was published with (Remelli et al., NeurIPS 2020). Weights are normalised
(Salimans and Kingma, NeurIPS 2016, eq. 2) in every hidden layer, and a tanh keeps values within -1 and 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import weight_norm

from backend.fields.activations import ACTIVATIONS
from backend.fields.mlp import MlpShape, value_and_gradient

PI = 3.1415  # as it was published, so that weights trained there mean the same here


@dataclass(frozen=True)
class DeepSdfShape:
    """The form of a decoder. ``skip`` is the hidden layer (0-based) that sees the whole input again; None for none."""

    latent: int
    width: int
    depth: int  # hidden layers
    skip: int | None
    degree: int  # frequencies of the positional encoding, each twice that before; 0: the coordinates themselves
    dropout: float  # share of the features of each hidden layer that training leaves out

    @property
    def inputs(self) -> int:
        """Numbers that the first layer sees: the code, then the place."""
        return self.latent + (6 * self.degree if self.degree else 3)

    def sizes(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each hidden layer, then of the last; the layer before the skip is narrower for it."""
        return MlpShape(self.inputs, 1, self.width, self.depth, "relu", self.skip, narrow_before=True).sizes()


PAIR = DeepSdfShape(latent=2, width=128, depth=8, skip=4, degree=5, dropout=0.2)  # of the cow and the ring-duck
SINGLE_VIEW = DeepSdfShape(latent=256, width=512, depth=5, skip=None, degree=0, dropout=0.0)  # of cars and chairs


class DeepSdf(nn.Module):
    """s(x; z): the signed distance at a place x to the shape with the code z, negative inside."""

    def __init__(self, shape: DeepSdfShape) -> None:
        super().__init__()
        self.shape = shape
        sizes = shape.sizes()
        hidden = [weight_norm(nn.Linear(before, after)) for before, after in sizes[:-1]]
        self.layers = nn.ModuleList([*hidden, nn.Linear(*sizes[-1])])

    def forward(self, points: Tensor, code: Tensor) -> Tensor:
        """Values [N] at points [N, 3]; ``code`` is that of all points, [latent], or of each, [N, latent]."""
        inputs = self._inputs(points, code)
        hidden = inputs
        for index, layer in enumerate(self.layers[:-1]):
            if index == self.shape.skip:
                hidden = torch.cat([hidden, inputs], dim=-1)
            hidden = functional.dropout(functional.relu(layer(hidden)), self.shape.dropout, self.training)
        value: Tensor = torch.tanh(self.layers[-1](hidden))
        return value[:, 0]

    def value_and_gradient(self, points: Tensor, code: Tensor) -> tuple[Tensor, Tensor]:
        """Value [N] and gradient in space [N, 3] without dropout, by an explicit reverse sweep.

        Both can be differentiated, by the code and by the weights.
        """
        layers = [(linear.weight, linear.bias) for linear in self.layers if isinstance(linear, nn.Linear)]
        skip = self.shape.skip
        if skip is not None:  # the sweep divides by sqrt 2 there, as other networks do
            layers[skip] = (math.sqrt(2.0) * layers[skip][0], layers[skip][1])
        raw, slope = value_and_gradient(layers, ACTIVATIONS["relu"], self._inputs(points, code), skip)
        value = torch.tanh(raw)
        slope = (1.0 - value * value)[:, None] * slope[:, self.shape.latent :]  # [N, 3], or [N, 6 * degree]
        if not self.shape.degree:
            return value, slope
        frequencies = self._frequencies(points)
        angles = points[:, None] * frequencies  # [N, degree, 3]
        by_cos, by_sin = slope.view(len(points), 2, self.shape.degree, 3).unbind(1)  # [N, degree, 3] both
        by_angle = by_sin * torch.cos(angles) - by_cos * torch.sin(angles)
        return value, (by_angle * frequencies).sum(1)

    def encoded(self, points: Tensor) -> Tensor:
        """Places [N, 3] as the network sees them: [N, 6 * degree], first all cosines, the lowest frequency first."""
        if not self.shape.degree:
            return points
        angles = points[:, None] * self._frequencies(points)
        return torch.stack([torch.cos(angles), torch.sin(angles)], dim=1).flatten(1)

    def _frequencies(self, like: Tensor) -> Tensor:
        """[degree, 1], in radians per unit of length."""
        return PI * 2.0 ** torch.arange(self.shape.degree, dtype=like.dtype, device=like.device)[:, None]

    def _inputs(self, points: Tensor, code: Tensor) -> Tensor:
        return torch.cat([code.expand(len(points), -1), self.encoded(points)], dim=-1)
