"""Full information: f has the known distance at every sample.

Coiffier and Bethune, *1-Lipschitz Neural Distance Fields*, SGP 2024: the supervised field that theirs is compared with,
MSE(f, d) + 0.1 MSE(|grad f(u)|, 1), u uniform in the box.
"""

from __future__ import annotations

from torch import Tensor


def squared_error(values: Tensor, distances: Tensor) -> Tensor:
    """Mean of (f - d)^2 for values and distances [N]; a scalar in square units. Distances may come as [N, 1]."""
    return (values - distances.reshape(values.shape)).square().mean()
