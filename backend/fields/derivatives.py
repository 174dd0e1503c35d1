"""Derivatives of any velocity field, network or formula, and of numbers made of its Jacobian.

These serve every callable. ``VelocityField.jets`` gives the same of the project's own networks: the Jacobian at about
the same cost, the Laplacian at a sixth of it.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Field(Protocol):
    """V(x, t): points [N, 3] and a time to velocities [N, 3], each from its own point alone."""

    def __call__(self, points: Tensor, time: float, /) -> Tensor: ...


def value_and_jacobian(field: Field, points: Tensor, time: float) -> tuple[Tensor, Tensor]:
    """Value [N, 3] and Jacobian [N, 3, 3], [n, i, j] = dV_i / dx_j, both differentiable.

    Cost: 1 pass and 3 backward passes, each about two passes.
    """
    with torch.enable_grad():
        x = points if points.requires_grad else points.detach().requires_grad_()
        value = field(x, time)
        return value, torch.stack([_gradient(value[:, i], x) for i in range(3)], dim=1)


def hessian_vector(field: Field, points: Tensor, time: float, direction: Tensor) -> Tensor:
    """Change of the Jacobian along ``direction`` ([N, 3] or [3]): [N, 3, 3]. Cost: 1 pass and 6 backward passes."""
    with torch.enable_grad():
        x = points if points.requires_grad else points.detach().requires_grad_()
        value = field(x, time)
        slopes = [(_gradient(value[:, i], x) * direction).sum(-1) for i in range(3)]
        return torch.stack([_gradient(slope, x) for slope in slopes], dim=1)


def laplacian(field: Field, points: Tensor, time: float) -> Tensor:
    """Laplacian of each component [N, 3]: three Hessian-vector products, of which the diagonal counts."""
    axes = torch.eye(3, dtype=points.dtype, device=points.device)
    return torch.stack([hessian_vector(field, points, time, axes[j])[:, :, j] for j in range(3)]).sum(0)


def divergence(jacobian: Tensor) -> Tensor:
    """Trace of the Jacobian [N, 3, 3] -> [N]: the rate at which volume grows."""
    return jacobian.diagonal(dim1=-2, dim2=-1).sum(-1)


def strain_rate(jacobian: Tensor) -> Tensor:
    """Symmetric part D of the Jacobian [N, 3, 3]: 0 exactly for rigid motions."""
    return (jacobian + jacobian.transpose(-2, -1)) / 2


def _gradient(values: Tensor, x: Tensor) -> Tensor:
    """Gradient [N, 3] of each of ``values`` [N] at its own point; 0 where it does not depend on it."""
    if not values.requires_grad:
        return torch.zeros_like(x)
    return torch.autograd.grad(values.sum(), x, create_graph=True, materialize_grads=True)[0]
