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
from backend.fields.sll_layers import passed, scaled, stacked, value_of

RESTING = ("maps", "shifts", "head")  # U, c and the last map of a network at rest, not stored with its weights
AT_REST = 1.0 - 1e-6  # of U and of the last map: rounded to single precision, they still stretch nothing


class OneLipschitz(DistanceNetwork):
    """|f(x) - f(y)| <= |x - y| for all x, y. At rest this holds of the weights as they were rounded, too."""

    family: ClassVar[str] = "one_lipschitz"
    maps: Tensor | None
    shifts: Tensor
    head: Tensor

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
        for name in RESTING:
            self.register_buffer(name, None, persistent=False)
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

    def forward(self, points: Tensor) -> Tensor:
        return stacked(points, *self._layers()) + self.offset

    def value_and_gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """By an explicit reverse sweep of ordinary operations."""
        maps, shifts, head = self._layers()
        hidden: list[Tensor] = []
        for layer in passed(points, maps, shifts):
            hidden.append(layer[1])
        value = value_of(*layer, maps[-1], head) + self.offset
        row = head.expand(len(points), -1)  # [N, n]: d value / d x behind a layer
        for inner, matrix in zip(reversed(hidden), reversed(maps.unbind(0)), strict=True):
            row = torch.addmm(row, (row @ matrix.T) * (inner > 0.0), matrix, alpha=-1)
        return value, row[:, : points.shape[1]]

    def form(self) -> Mapping[str, Any]:
        return self._form

    def at_rest(self) -> OneLipschitz:
        """With U, c and the last map kept rather than computed anew; the weights must not change any more."""
        self.requires_grad_(False)
        kind = self.weight.dtype
        maps, shifts = scaled(self.weight.double(), self.bias.double(), self.scale.double())
        head = functional.normalize(self.last.double(), dim=0)
        for name, kept in zip(RESTING, (AT_REST * maps, shifts, AT_REST * head), strict=True):
            setattr(self, name, kept.to(kind))
        return self

    def _layers(self) -> tuple[Tensor, Tensor, Tensor]:
        """U [L, n, n], c [L, n] and the last map [n]."""
        if self.maps is not None:
            return self.maps, self.shifts, self.head
        return *scaled(self.weight, self.bias, self.scale), functional.normalize(self.last, dim=0)
