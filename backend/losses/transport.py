"""Transport: what it takes to move one cloud onto another, every point going somewhere else.

Liu and Liu, NeurIPS 2020, the earth mover's distance: the mean of |a_i - b_pi(i)| with the cheapest matching pi.
The authors use an auction on the GPU; this is entropic transport by Sinkhorn's iterations (Cuturi, NeurIPS 2013) on
logarithms, with the width of the plan lowered from the size of the clouds to ``blur`` (epsilon scaling).

With ``reach`` the marginals only hold at a price (Chizat et al., *Scaling algorithms for unbalanced optimal transport*,
2018): mass whose way is much longer than that stays where it is, as it should for a part that has no counterpart.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from backend.losses.chamfer import SMALLEST, distances

SHRINK = 0.6  # of the width from one round to the next


def plan(
    cost: Tensor,  # [S, N, M], distances
    blur: float,  # final width of the plan, in the unit of the cost
    last_rounds: int = 4,  # at the final width
    reach: float | None = None,  # units
) -> Tensor:
    """Shares of mass [S, N, M] that go from each point to each; all of it is 1 unless ``reach`` leaves some out."""
    n, m = cost.shape[1:]
    f, g = cost.new_zeros(cost.shape[:2]), cost.new_zeros((cost.shape[0], m))
    widths = _widths(float(cost.amax()), blur, last_rounds)
    for width in widths:
        damped = 1.0 if reach is None else reach / (reach + width)
        f = -damped * width * torch.logsumexp((g[:, None, :] - cost) / width - math.log(m), dim=2)
        g = -damped * width * torch.logsumexp((f[:, :, None] - cost) / width - math.log(n), dim=1)
    return torch.exp((f[:, :, None] + g[:, None, :] - cost) / widths[-1] - math.log(n) - math.log(m))


def transport(
    a: Tensor,  # [S, N, 3]
    b: Tensor,  # [S, M, 3]
    blur: float = 0.01,
    reach: float | None = None,
    last_rounds: int = 4,
) -> Tensor:
    """Mean length of the ways; a scalar in units.

    The plan is held fixed for the gradient, which is that of the transport itself once the plan is optimal (Danskin).
    """
    with torch.no_grad():
        shares = plan(distances(a, b).sqrt(), blur, last_rounds, reach)
    ways = (a[:, :, None] - b[:, None, :]).square().sum(-1)
    return (shares * (ways + SMALLEST).sqrt()).sum((1, 2)).mean()


def _widths(largest: float, blur: float, last_rounds: int) -> list[float]:
    rounds = max(math.ceil(math.log(max(largest, blur) / blur) / -math.log(SHRINK)), 0)
    return [blur * SHRINK**-k for k in range(rounds, 0, -1)] + [blur] * last_rounds
