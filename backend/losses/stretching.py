"""Stretching: how far a step changes lengths within the surface.

Sang et al., CVPR 2025 (4Deform), the stretching loss, with F = I + dt grad V the deformation of a step and
P = I - n n^T the projector on the tangent plane: the mean of |P (F^T F - I) P|. The authors' code sums the wrong index
in P and normalises all normals by one number for the batch; here each normal has length 1 and P is the projector.
"""

from __future__ import annotations

import torch
from torch import Tensor


def stretching(
    jacobian: Tensor,  # [N, 3, 3]
    normals: Tensor,  # [N, 3], unit, of the surface where the step begins
    dt: float,
) -> Tensor:
    """Mean of the Frobenius norm of the tangential strain of a step over ``dt``; a scalar."""
    identity = torch.eye(3, dtype=jacobian.dtype, device=jacobian.device)
    deformation = identity + dt * jacobian
    strain = deformation.transpose(-2, -1) @ deformation - identity
    projector = identity - normals[:, :, None] * normals[:, None, :]
    return _norm(projector @ strain @ projector).mean()


def _norm(matrices: Tensor) -> Tensor:
    """Frobenius norm [N], with gradient 0 instead of not-a-number at 0."""
    squared = matrices.square().sum((-2, -1))
    nothing = squared == 0
    return torch.where(nothing, 0.0, torch.where(nothing, 1.0, squared).sqrt())
