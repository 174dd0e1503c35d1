"""Normals: the gradient of f points along the known normals.

Sang et al., ICLR 2025 (INSD), the normal loss: the mean of |grad f / |grad f| - n|^2, here at both ends alike. The
authors' code has this at time 0 and |grad f - n|^2 at time 1, since its arguments are swapped there. Gropp et al.,
ICML 2020 (IGR), eq. 2, the mean of |grad f - n|, which also asks for gradients of length 1.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from backend.losses.eikonal import SMALLEST


def normals(gradient: Tensor, wanted: Tensor) -> Tensor:
    """Mean of |grad f / |grad f| - n|^2 for gradients and unit normals [N, 3]; a scalar from 0 to 4."""
    return (functional.normalize(gradient, dim=-1, eps=1e-6) - wanted).square().sum(-1).mean()


def normal_distance(gradient: Tensor, wanted: Tensor) -> Tensor:
    """Mean of |grad f - n| for gradients and unit normals [N, D]; a scalar."""
    return ((gradient - wanted).square().sum(-1) + SMALLEST).sqrt().mean()
