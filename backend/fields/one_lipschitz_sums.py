"""The sums under the diagonals of SLL layers, all layers at once, with a backward pass of one product."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


def weighted_sums(weight: Tensor, scale: Tensor) -> Tensor:
    """s_i = sum_j |(W W^T)_ij| e^(q_j - q_i): W [L, n, n], q [L, n] -> [L, n]; differentiable once."""
    found: Tensor = _WeightedSums.apply(weight, scale)  # type: ignore[no-untyped-call]
    return found


class _WeightedSums(Function):
    """With G = W W^T symmetric, dG of both sides is one matrix, and dW one product, where autograd would make two."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, scale: Tensor) -> Tensor:
        gram = torch.bmm(weight, weight.mT)
        size = gram.abs()
        e = scale.exp()
        sums = torch.bmm(size, e[:, :, None])[:, :, 0] / e
        ctx.save_for_backward(weight, gram, size, e, sums)
        return sums

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor]:
        weight, gram, size, e, sums = ctx.saved_tensors
        d = slope / e  # d loss / d (e_i s_i)
        of_scale = torch.bmm(size, d[:, :, None])[:, :, 0] * e - slope * sums
        # d loss / d G_ij + d loss / d G_ji = sign(G_ij) (d_i e_j + d_j e_i)
        both = torch.bmm(torch.stack([d, e], dim=2), torch.stack([e, d], dim=1))
        return torch.bmm(both.mul_(gram.sign()), weight), of_scale
