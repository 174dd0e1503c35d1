"""Envelope: between the codes of several shapes f stays between their distances. The project's own term.

What lies well outside all shapes stays outside at every mixture of them, and what lies deep inside all stays inside;
nothing is said of how one becomes the other.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def envelope(
    values: Tensor,  # [N], at mixtures of codes
    lowest: Tensor,  # [N], the smallest of the signed distances to the shapes that are mixed
    highest: Tensor,  # [N], the largest
    slack: float,
) -> Tensor:
    """Mean of how far f is below the smallest or above the largest distance by more than ``slack``; in units."""
    return (functional.relu(lowest - slack - values) + functional.relu(values - highest - slack)).mean()
