"""The level-set equation: the surface of f moves with V.

Sang et al., ICLR 2025 (INSD), the modified level-set equation, and Sang et al., CVPR 2025 (4Deform), eqs. 4 and 7:

    f_t + <V, grad f> = lambda f n^T (grad V) n,    n = grad f / |grad f|.

The right side is 0 on the surface, so the motion of the surface is that of V whatever lambda is. Along the flow the
length of the gradient there changes at (lambda - 1) n^T (grad V) n: with lambda = 1 a distance stays a distance. For a
sphere that moves, turns and grows, f = |x - c(t)| - r(t) solves the equation with lambda = 1 everywhere.

V is a velocity and f_t a rate in the same unit of time. The authors' code takes a displacement per step for V, adds
the right side instead of subtracting it, and pairs the rate of every point with the other terms of every other point;
docs/METHODS.md argues each.
"""

from __future__ import annotations

import torch
from torch import Tensor


def residual(
    value: Tensor,  # [N], f
    gradient: Tensor,  # [N, 3], of f in space
    rate: Tensor,  # [N], of f in time
    velocity: Tensor,  # [N, 3], V
    jacobian: Tensor | None,  # [N, 3, 3], of V; None where f is 0 and the right side vanishes
    stretch: float = 1.0,  # lambda
) -> Tensor:
    """f_t + <V, grad f> - lambda f n^T (grad V) n at each point [N], in lengths per unit of time."""
    moved = rate + (velocity * gradient).sum(-1)
    if jacobian is None or stretch == 0.0:
        return moved
    return moved - stretch * value * normal_stretch(gradient, jacobian)


def level_set(
    value: Tensor,  # [N]
    gradient: Tensor,  # [N, 3]
    rate: Tensor,  # [N]
    velocity: Tensor,  # [N, 3]
    jacobian: Tensor | None,  # [N, 3, 3]
    stretch: float = 1.0,
) -> Tensor:
    """Mean square of the residual; a scalar."""
    return residual(value, gradient, rate, velocity, jacobian, stretch).square().mean()


def normal_stretch(gradient: Tensor, jacobian: Tensor) -> Tensor:
    """n^T (grad V) n [N]: how fast V pulls points apart along the normal, relative to their distance."""
    squared = gradient.square().sum(-1).clamp_min(1e-12)
    return torch.einsum("ni,nij,nj->n", gradient, jacobian, gradient) / squared
