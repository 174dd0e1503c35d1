"""Vertices of a zero level that can be differentiated by whatever the field depends on.

Remelli et al., NeurIPS 2020 (MeshSDF), theorem 1: where s(v; c) = 0 and the field changes by ds, the surface moves by
-ds along its normal n. That is for fields whose gradient is 1 long, which a trained one's is only about, so here it is
divided by that length, as the implicit function theorem has it: dv = -n ds / |grad s|. A surface does not move along
itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

LEAST = 0.1  # of the median slope on the surface: a vertex where the field is flatter moves as if it were so steep
BATCH = 32_768  # vertices whose way through the network is in memory at once

Values = Callable[[Tensor], Tensor]  # [N, 3] -> [N]


def differentiable_surface(values: Values, vertices: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """``vertices`` [V, 3] on the zero level of ``values``, as a function of ``parameters``.

    ``parameters``: tensors that ``values`` is computed from, a latent code or weights, leaves or not; those that need
    a gradient get theirs, those left out get none. They must not be changed before the backward pass, which evaluates
    the field once more, at the vertices alone. Anything random in it, as dropout, has to be switched off.
    Vertices where the box cut a surface off are on no zero level: what they are given has no meaning.
    """
    moved: Tensor = _Surface.apply(values, vertices.detach(), *parameters)  # type: ignore[no-untyped-call]
    return moved


class _Surface(torch.autograd.Function):
    """Forward: the vertices. Backward: dL/dc = sum over v of -(dL/dv . n) / |grad s| ds(v; c)/dc."""

    @staticmethod
    def forward(ctx: Any, values: Values, vertices: Tensor, *parameters: Tensor) -> Tensor:
        ctx.values = values
        ctx.save_for_backward(vertices, *parameters)
        return vertices.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        vertices, *parameters = ctx.saved_tensors
        wanted = [p for p, needed in zip(parameters, ctx.needs_input_grad[2:], strict=True) if needed]
        given = iter(_pulled_back(ctx.values, vertices, gradients[0], wanted))
        return (None, None, *(next(given) if needed else None for needed in ctx.needs_input_grad[2:]))


def _pulled_back(values: Values, vertices: Tensor, gradient: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """The gradient by each of ``parameters`` of what has the ``gradient`` [V, 3] by the vertices [V, 3]."""
    totals = [torch.zeros_like(parameter) for parameter in parameters]
    if not len(vertices):
        return totals
    for part, pull in zip(torch.split(vertices, BATCH), torch.split(gradient, BATCH), strict=True):
        with torch.enable_grad():
            x = part.detach().requires_grad_()
            found = values(x)
        (slope,) = torch.autograd.grad(found, x, torch.ones_like(found), retain_graph=True)
        steepness = slope.norm(dim=1)
        divisor = steepness * steepness.clamp(min=LEAST * steepness.median())  # n is the slope over its own length
        weight = -(pull * slope).sum(1) / divisor.clamp(min=torch.finfo(divisor.dtype).tiny)
        given = torch.autograd.grad(found, parameters, weight, materialize_grads=True)
        for total, one in zip(totals, given, strict=True):
            total += one
    return totals
