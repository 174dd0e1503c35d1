"""The clamped difference of signed distances: what is far from the surface need only be known to be far."""

from __future__ import annotations

import torch
from torch import Tensor


def clamped_difference(found: Tensor, known: Tensor, reach: float, *, published: bool = False) -> Tensor:
    """Mean absolute difference of distances [N] and those known [N], none counted beyond ``reach``; a scalar.

    Park et al., CVPR 2019 (DeepSDF), eq. 4. The published one clamps both wherever they are, and a network whose values
    all lie beyond never learns again: a piece of surface that came to be where there is none stays. Here a value
    beyond is as good as the clamped one only on the side where the known distance is beyond, too.
    """
    if published:
        clamped = found.clamp(-reach, reach)
    else:
        clamped = found.clamp(
            torch.where(known <= -reach, -reach, -torch.inf), torch.where(known >= reach, reach, torch.inf)
        )
    difference: Tensor = (clamped - known.clamp(-reach, reach)).abs().mean()
    return difference
