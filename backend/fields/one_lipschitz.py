"""``OneLipschitz``: a network whose slope is nowhere steeper than 1, whatever its weights.

Coiffier and Bethune, 1-Lipschitz Neural Distance Fields, SGP 2024: SDP-based Lipschitz layers (SLL: Araujo et al.,
A Unified Algebraic Perspective on Lipschitz Neural Networks, ICLR 2023, theorem 3), then a linear map of norm 1. With
the points as the first columns of x, zeros beside them, a layer is

    x - 2 W^T diag(t) relu(W x + b),    t_i = 1 / sum_j |e^(-q_i) (W W^T)_ij e^(q_j)|.

As relu(r z) = r relu(z) for r > 0, it is also x - U^T relu(U x + c) with U = sqrt(2 t) W and c = sqrt(2 t) b: one
matrix a layer, and a proof of one line. Where relu's slopes are M (0 or 1), the layer's Jacobian is the symmetric
matrix I - U^T M U, whose eigenvalues lie in 1 - |U|^2 .. 1, and t is such that |U|^2 <= 2 (diagonal dominance). So no
layer stretches anything, and neither does the whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import Parameter, functional

from backend.fields.distance_network import DistanceNetwork
from backend.fields.one_lipschitz_sums import weighted_sums

SMALLEST = 1e-30  # of a sum of absolute products: a row of zeros has no diagonal
AT_REST = 1.0 - 1e-6  # of U and of the last map: rounded to single precision, they still stretch nothing


class OneLipschitz(DistanceNetwork):
    """|f(x) - f(y)| <= |x - y| for all x, y. At rest this holds of the weights as they were rounded, too."""

    family: ClassVar[str] = "one_lipschitz"

    def __init__(self, dimension: int, width: int = 128, depth: int = 20) -> None:
        if width < dimension:
            raise ValueError(f"a width of {width} is less than the {dimension} coordinates")
        super().__init__()
        self._form = {"dimension": dimension, "width": width, "depth": depth}
        self.weight = Parameter(torch.empty(depth, width, width))  # W
        self.bias = Parameter(torch.empty(depth, width))  # b
        self.scale = Parameter(torch.empty(depth, width))  # q
        self.last = Parameter(torch.empty(width))  # normalised before use
        self.offset = Parameter(torch.zeros(1))
        self._rest: tuple[Tensor, Tensor, Tensor] | None = None
        self.start_(torch.Generator().manual_seed(0))

    def start_(self, generator: torch.Generator) -> None:
        """Random weights as in the authors' code: W Xavier normal, b U(-1/sqrt(n), 1/sqrt(n)), q N(0, 1)."""
        bound = 1.0 / math.sqrt(self.weight.shape[1])
        with torch.no_grad():
            self.weight.normal_(0.0, bound, generator=generator)
            self.bias.uniform_(-bound, bound, generator=generator)
            self.scale.normal_(generator=generator)
            self.last.normal_(generator=generator)
            self.offset.zero_()

    def diagonals(self) -> Tensor:
        """t [L, n] of all layers in one batched product."""
        return 1.0 / weighted_sums(self.weight, self.scale).clamp(min=SMALLEST)

    def forward(self, points: Tensor) -> Tensor:
        return self._forward(points, *self._layers())[0]

    def value_and_gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """By an explicit reverse sweep."""
        maps, shifts, head = self._layers()
        value, hidden = self._forward(points, maps, shifts, head)
        row = head.expand(len(points), -1)  # [N, n]: d value / d x behind layer l
        for layer in reversed(range(len(hidden))):
            slope = hidden[layer] > 0.0
            row = torch.addmm(row, (row @ maps[layer].T) * slope, maps[layer], alpha=-1)
        return value, row[:, : points.shape[1]]

    def form(self) -> Mapping[str, Any]:
        return self._form

    def at_rest(self) -> OneLipschitz:
        """With U, c and the last map kept rather than computed anew; the weights must not change any more."""
        self.requires_grad_(False)
        self._rest = None
        maps, shifts, head = (part.to(self.weight.dtype) for part in self.double_layers())
        self._rest = AT_REST * maps, shifts, AT_REST * head
        return self

    def double_layers(self) -> tuple[Tensor, Tensor, Tensor]:
        """U [L, n, n], c [L, n] and the last map [n] in double precision, not differentiable."""
        with torch.no_grad():
            weight = self.weight.double()
            roots = (2.0 / weighted_sums(weight, self.scale.double()).clamp(min=SMALLEST)).sqrt()
            return roots[:, :, None] * weight, roots * self.bias, functional.normalize(self.last.double(), dim=0)

    def _layers(self) -> tuple[Tensor, Tensor, Tensor]:
        """U [L, n, n], c [L, n] and the last map [n]."""
        if self._rest is not None:
            return self._rest
        roots = (2.0 * self.diagonals()).sqrt()
        return roots[:, :, None] * self.weight, roots * self.bias, functional.normalize(self.last, dim=0)

    def _forward(self, points: Tensor, maps: Tensor, shifts: Tensor, head: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Value [N], and relu(U x + c) [N, n] of every layer.

        The first layer reads the columns that are not zero, and of the last only what the last map asks of it is
        computed.
        """
        width, dimension = len(head), points.shape[1]
        u, c = maps.unbind(0), shifts.unbind(0)
        hidden = [torch.relu(torch.addmm(c[0], points, u[0][:, :dimension].T))]
        x = functional.pad(points, (0, width - dimension))
        for layer in range(1, len(u)):
            x = torch.addmm(x, hidden[-1], u[layer - 1], alpha=-1)
            hidden.append(torch.relu(torch.addmm(c[layer], x, u[layer].T)))
        return x @ head - hidden[-1] @ (u[-1] @ head) + self.offset, hidden
