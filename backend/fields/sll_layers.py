"""The layers of an SLL network, and their diagonals, with backward passes written by hand.

Autograd makes the same numbers of the same formulas; here nothing is computed twice and no step makes a copy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

SMALLEST = 1e-20  # of s: a row of zeros has no diagonal


def scaled(weight: Tensor, bias: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """U = sqrt(2 t) W [L, n, n] and c = sqrt(2 t) b [L, n] of W [L, n, n], b [L, n] and q [L, n]; differentiable once.

    t_i = 1 / s_i with s_i = sum_j |(W W^T)_ij| e^(q_j - q_i), all layers in one batched product.
    """
    found: tuple[Tensor, Tensor] = _Scaled.apply(weight, bias, scale)  # type: ignore[no-untyped-call]
    return found


def passed(points: Tensor, maps: Tensor, shifts: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """x and relu(U x + c), each [N, n], of every layer x -> x - U^T relu(U x + c) in turn.

    U [L, n, n], c [L, n]; the first x is the points [N, D] with zeros beside them, which its product passes over.
    """
    u, c = maps.unbind(0), shifts.unbind(0)
    width, dimension = shifts.shape[1], points.shape[1]
    x = functional.pad(points, (0, width - dimension))
    hidden = torch.addmm(c[0], points, u[0][:, :dimension].T).relu_()
    yield x, hidden
    for layer in range(1, len(u)):
        x = torch.addmm(x, hidden, u[layer - 1], alpha=-1)
        hidden = torch.addmm(c[layer], x, u[layer].T).relu_()
        yield x, hidden


def value_of(x: Tensor, hidden: Tensor, last: Tensor, head: Tensor) -> Tensor:
    """What ``head`` [n] makes of the last layer's output, x - hidden U, without that output."""
    return x @ head - hidden @ (last @ head)


def stacked(points: Tensor, maps: Tensor, shifts: Tensor, head: Tensor) -> Tensor:
    """[N, D] -> [N]: all layers and the last map; differentiable once."""
    if not torch.is_grad_enabled():  # nothing is kept for a backward pass
        ((x, hidden),) = deque(passed(points, maps, shifts), maxlen=1)
        return value_of(x, hidden, maps[-1], head)
    found: Tensor = _Stacked.apply(points, maps, shifts, head)  # type: ignore[no-untyped-call]
    return found


class _Scaled(Function):
    """With G = W W^T symmetric, dG of both sides is one matrix, and dW one product, where autograd would make two."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        gram = torch.bmm(weight, weight.mT)
        e = scale.exp()
        sums = (gram.abs().mul_(e[:, None, :]).sum(dim=2) / e).clamp_(min=SMALLEST)
        roots = (2.0 / sums).sqrt()
        ctx.save_for_backward(weight, bias, gram, e, sums, roots)
        return roots[:, :, None] * weight, roots * bias

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_maps: Tensor, of_shifts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weight, bias, gram, e, sums, roots = ctx.saved_tensors
        of_roots = (of_maps * weight).sum(dim=2) + of_shifts * bias
        of_sums = of_roots * roots / (-2.0 * sums)
        d = of_sums / e  # d loss / d (e_i s_i)
        of_scale = gram.abs().mul_(d[:, None, :]).sum(dim=2) * e - of_sums * sums
        # d loss / d G_ij + d loss / d G_ji = sign(G_ij) (d_i e_j + d_j e_i)
        both = torch.bmm(torch.stack([d, e], dim=2), torch.stack([e, d], dim=1)).mul_(gram.sign())
        of_weight = (roots[:, :, None] * of_maps).baddbmm_(both, weight)
        return of_weight, roots * of_shifts, of_scale


class _Stacked(Function):
    """The chain rule from the last layer to the first, with r = -d loss / d x [N, n] changed in place."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, maps: Tensor, shifts: Tensor, head: Tensor) -> Tensor:
        xs, hidden = zip(*passed(points, maps, shifts), strict=True)
        ctx.save_for_backward(points, maps, head, *xs, *hidden)
        return value_of(xs[-1], hidden[-1], maps[-1], head)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor]:
        points, maps, head, *kept = ctx.saved_tensors
        depth, dimension = len(maps), points.shape[1]
        xs, hidden = kept[:depth], kept[depth:]
        of_maps, of_shifts = torch.empty_like(maps), maps.new_empty(maps.shape[:2])
        r = -slope[:, None] * head  # behind the last layer
        of_head = slope @ xs[-1] - maps[-1].T @ (slope @ hidden[-1])
        for layer in reversed(range(depth)):
            inner = torch.ops.aten.threshold_backward(r @ maps[layer].T, hidden[layer], 0)  # of U x + c
            torch.sum(inner, 0, out=of_shifts[layer])
            torch.mm(hidden[layer].T, r, out=of_maps[layer])
            if layer > 0:
                of_maps[layer].addmm_(inner.T, xs[layer])
                r.addmm_(inner, maps[layer], alpha=-1)
            else:
                of_maps[0, :, :dimension].addmm_(inner.T, points)
        of_points = None
        if ctx.needs_input_grad[0]:
            of_points = torch.addmm(r[:, :dimension], inner, maps[0, :, :dimension], alpha=-1).neg_()
        return of_points, of_maps, of_shifts, of_head
