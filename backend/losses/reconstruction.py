"""Self-reconstruction: what a shape's points are taken to and back from is where they were.

Liu and Liu, NeurIPS 2020: the mean of |g(z_S, f(z_S, p)) - p|^2 over surface points p. As in the authors' code it
is a mean over coordinates too, a third of the mean over points; its weight is meant for that.
"""

from __future__ import annotations

from torch import Tensor


def self_reconstruction(
    rebuilt: Tensor,  # [..., 3]
    points: Tensor,  # [..., 3]
) -> Tensor:
    """Mean squared difference of the coordinates; a scalar in squared units."""
    return (rebuilt - points).square().mean()
