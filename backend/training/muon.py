"""Muon: updates that move a hidden layer as far in every direction that its gradients tell of."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from backend.training.adam import Adam

MOMENTUM = 0.95
ITERATIONS = 5
A, B, C = 3.4445, -4.7750, 2.0315  # of the published quintic: five iterations bring singular values to 0.7 to 1.2
AS_ADAM = 0.2  # root of the mean square of Adam's usual update, in learning rates
NARROW = 8  # inputs or outputs: with so few a matrix is a network's first or last layer


class Muon(Adam):
    """Muon (Jordan et al., 2024) over the matrices of hidden layers, Adam over every other parameter.

    An update is as long as Adam's (Liu et al., Muon is Scalable for LLM Training, 2025, section 2.2), so both share one
    learning rate.
    """

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        super().__init__([p for p in parameters if not _hidden(p)])
        self._everything: list[Tensor] = list(parameters)
        self._matrices: list[Tensor] = [p for p in parameters if _hidden(p)]
        self._momentum = [torch.zeros_like(p) for p in self._matrices]

    def step(self, gradients: list[Tensor], rate: float) -> None:
        pairs = list(zip(self._everything, gradients, strict=True))
        super().step([g for p, g in pairs if not _hidden(p)], rate)
        with torch.no_grad():
            steepest = [g for p, g in pairs if _hidden(p)]
            for matrix, mean, gradient in zip(self._matrices, self._momentum, steepest, strict=True):
                mean.lerp_(gradient, 1.0 - MOMENTUM)
                update = orthogonalised(gradient.lerp(mean, MOMENTUM))
                matrix.add_(update, alpha=-rate * AS_ADAM * math.sqrt(max(matrix.shape)))

    def state(self) -> dict[str, Tensor]:
        return super().state() | {f"momentum.{index}": mean for index, mean in enumerate(self._momentum)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        super().restore(state)
        for index, mean in enumerate(self._momentum):
            mean.copy_(state[f"momentum.{index}"])


def orthogonalised(matrix: Tensor) -> Tensor:
    """About the orthogonal matrix nearest to a matrix [M, N]: singular values become about 1, but for tiny ones."""
    near: Tensor = matrix / (matrix.norm() + 1e-30)
    for _ in range(ITERATIONS):
        square = near @ near.T
        near = A * near + torch.addmm(square, square, square, beta=B, alpha=C) @ near
    return near


def _hidden(parameter: Tensor) -> bool:
    return parameter.ndim == 2 and min(parameter.shape) > NARROW
