"""Path supervision: the field has the velocity of a known path where the path goes.

Simulation-free, in the manner of flow matching (Lipman et al., ICLR 2023, eq. 5, with a deterministic path). The norm
is not squared, so that a few badly represented places do not outweigh the rest.
"""

from __future__ import annotations

from torch import Tensor

SOFT = 1e-6  # squared units; makes the norm smooth at 0


def path_velocity(velocity: Tensor, wanted: Tensor) -> Tensor:
    """Mean of |V - dx/dt| over samples [N, 3]; a scalar in units per unit of time."""
    return ((velocity - wanted).square().sum(-1) + SOFT).sqrt().mean()
