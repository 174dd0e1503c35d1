"""Surface area: no more surface than there must be.

Sang et al., ICLR 2025 (INSD), the area term: the mean of exp(-100 |f|) over points of the whole box, a soft count of
those near the surface. It removes sheets of zero level that no sample asks for.
"""

from __future__ import annotations

from torch import Tensor

SHARPNESS = 100.0  # per unit: a point 0.01 units from the surface counts 1 / e


def surface_area(values: Tensor, sharpness: float = SHARPNESS) -> Tensor:
    """Mean of exp(-sharpness |f|) over values [N]; a scalar from 0 to 1."""
    return (-sharpness * values.abs()).exp().mean()
