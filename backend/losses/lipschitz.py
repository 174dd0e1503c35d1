"""The Lipschitz bound of a network as a loss.

Liu et al., *Learning Smooth Neural Functions via Lipschitz Regularization*, SIGGRAPH 2022, section 4:
J(theta, C) = L(theta) + alpha prod_i softplus(c_i), c_i the bound of layer i.

The gradient by one bound is the whole loss over that bound, so the loss pulls all layers by equal shares, and only
as long as it is of the order of L. That is what sets its weight: see docs/METHODS.md.
"""

from __future__ import annotations

from torch import Tensor


def lipschitz(log_bound: Tensor) -> Tensor:
    """The product of all bounds from its logarithm (float64); a scalar in float64, which holds any such product."""
    return log_bound.exp()
