"""``Orthogonal``: a network of orthogonal layers that sort, whose slope is nowhere steeper than 1 either.

Anil, Lucas and Grosse, Sorting out Lipschitz function approximation, ICML 2019: layers with orthonormal rows or columns
keep the length of gradients, and sorting the numbers of a group, unlike relu, loses none of it. The other network of
Coiffier and Bethune's code (SGP 2024).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import Parameter, functional

from backend.fields.distance_network import DistanceNetwork
from backend.fields.one_lipschitz import AT_REST

RESTING = ("lift", "maps", "head")  # first, further and last map of a network at rest, not stored with its weights
ITERATIONS = 15  # of Bjorck, as published
START = 1.3  # largest norm to begin with: below sqrt(3), and near 1 for equal singular values of 64 to 512 columns


class Orthogonal(DistanceNetwork):
    """|f(x) - f(y)| <= |x - y| for all x, y. At rest this holds of the weights as they were rounded, too."""

    family: ClassVar[str] = "orthogonal"
    lift: Tensor | None
    maps: Tensor
    head: Tensor

    def __init__(
        self,
        dimension: int,
        width: int = 128,
        depth: int = 20,
        group: int = 0,  # numbers sorted together; 0: all of a layer (FullSort)
        iterations: int = ITERATIONS,
    ) -> None:
        if width < dimension or width % (group or width):
            raise ValueError(f"a width of {width} must be a multiple of the group, {group}, and at least {dimension}")
        super().__init__()
        self._form = {
            "dimension": dimension, "width": width, "depth": depth, "group": group, "iterations": iterations
        }  # fmt: skip
        self._group, self._iterations = group or width, iterations
        self._groups = width // self._group  # of a layer
        self.first = Parameter(torch.empty(width, dimension))
        self.weight = Parameter(torch.empty(depth - 1, width, width))
        self.bias = Parameter(torch.empty(depth, width))
        self.last = Parameter(torch.empty(width))  # normalised before use
        self.offset = Parameter(torch.zeros(1))
        for name in RESTING:
            self.register_buffer(name, None, persistent=False)
        self.start_(torch.Generator().manual_seed(0))

    def start_(self, generator: torch.Generator) -> None:
        """Random orthogonal matrices, biases U(-1, 1) / sqrt(n)."""
        bound = 1.0 / math.sqrt(len(self.last))
        with torch.no_grad():
            for matrix in (self.first, *self.weight):
                matrix.copy_(torch.linalg.qr(torch.randn(matrix.shape, generator=generator))[0])
            self.bias.uniform_(-bound, bound, generator=generator)
            self.last.normal_(generator=generator)
            self.offset.zero_()

    def forward(self, points: Tensor) -> Tensor:
        maps, head = self._layers()
        x = points
        for matrix, bias in zip(maps, self.bias, strict=True):
            x = self._sorted(functional.linear(x, matrix, bias))
        return x @ head + self.offset

    def value_and_gradient(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """By an explicit reverse sweep: what a layer sorted is put back in its order."""
        maps, head = self._layers()
        x, orders = points, []
        for matrix, bias in zip(maps, self.bias, strict=True):
            groups = functional.linear(x, matrix, bias).reshape(len(points), self._groups, self._group)
            groups, order = groups.sort(dim=2)
            orders.append(order)
            x = groups.flatten(1)
        row = head.expand(len(points), -1)  # [N, n]: d value / d x behind a layer
        for matrix, order in zip(reversed(maps), reversed(orders), strict=True):
            back = torch.zeros_like(order, dtype=row.dtype).scatter(2, order, row.reshape(order.shape))
            row = back.flatten(1) @ matrix
        return x @ head + self.offset, row

    def form(self) -> Mapping[str, Any]:
        return self._form

    def at_rest(self) -> Orthogonal:
        """With the orthogonal matrices kept, not computed anew; the weights must not change any more."""
        self.requires_grad_(False)
        kind = self.last.dtype
        first = orthogonalised(self.first.double(), self._iterations)
        maps = orthogonalised(self.weight.double(), self._iterations)
        head = functional.normalize(self.last.double(), dim=0)
        for name, kept in zip(RESTING, (first, maps, head), strict=True):
            setattr(self, name, (AT_REST * kept).to(kind))
        return self

    def _layers(self) -> tuple[list[Tensor], Tensor]:
        """The matrix of every layer and the last map [n]."""
        if self.lift is not None:
            return [self.lift, *self.maps.unbind(0)], self.head
        maps = orthogonalised(self.weight, self._iterations).unbind(0)
        return [orthogonalised(self.first, self._iterations), *maps], functional.normalize(self.last, dim=0)

    def _sorted(self, values: Tensor) -> Tensor:
        """The numbers [N, n] of every group in rising order."""
        groups = values.reshape(len(values), self._groups, self._group)
        if self._group == 2:
            low, high = groups.unbind(2)
            groups = torch.stack([torch.minimum(low, high), torch.maximum(low, high)], dim=2)
        else:
            groups = groups.sort(dim=2)[0]
        return groups.flatten(1)


def orthogonalised(matrices: Tensor, iterations: int) -> Tensor:
    """Of matrices [..., O, I], O >= I: columns of length 1 at right angles in the limit, and never a norm above 1.

    Bjorck and Bowie, SIAM J. Numer. Anal. 1971: a step W (3 - W^T W) / 2 makes of a singular value s the value
    s (3 - s^2) / 2, which is nearer to 1 and, for s below sqrt(3), not above it. So what goes in is divided by a bound
    of its norm, |(W^T W)^4|_F^(1/8). That is too large by n^(1/16) at most, where all n values are equal: ``START``.
    """
    scale = torch.linalg.matrix_norm(matrices, keepdim=True)
    gram = matrices.mT @ matrices / scale.square()
    bound = torch.linalg.matrix_norm(gram @ gram @ gram @ gram, keepdim=True) ** (1.0 / 8.0)
    made: Tensor = START / (scale * bound) * matrices
    for _ in range(iterations):
        made = 1.5 * made - 0.5 * made @ (made.mT @ made)
    return made
