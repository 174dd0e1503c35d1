"""Distortion: the part of the strain rate that changes shape rather than size.

Sang et al., CVPR 2025 (4Deform), the distortion loss, with D = (grad V + grad V^T) / 2: the mean of q^2,
q = tr(D^2) / 2 - tr(D)^2 / 6, half the squared norm of D's traceless part. 0 for rigid motions and uniform growth.
"""

from __future__ import annotations

from torch import Tensor

from backend.fields import derivatives


def distortion(jacobian: Tensor) -> Tensor:
    """Mean of q^2 over Jacobians [N, 3, 3]; a scalar."""
    strain = derivatives.strain_rate(jacobian)
    trace = derivatives.divergence(jacobian)
    shear = strain.square().sum((-2, -1)) / 2 - trace.square() / 6  # D is symmetric: tr(D^2) = |D|^2
    return shear.square().mean()
