"""``Correspondence``: pairs of a source and a target vertex with weights, whatever way they were found."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


class CorrespondenceError(ValueError):
    """A table that cannot be used, or none where the method needs one; the message says what to give."""


@dataclass(frozen=True, eq=False)
class Correspondence:
    """Vertex pairs. Many-to-one, partial and noisy sets are normal input."""

    source: NDArray[np.int64]  # [K], source vertex
    target: NDArray[np.int64]  # [K], target vertex
    weights: NDArray[np.float64]  # [K], positive, 1 is ordinary trust
    way: str  # "vertex-order", "table", ...
    without: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))  # [N], no counterpart: not landed
