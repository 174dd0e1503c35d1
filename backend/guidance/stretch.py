"""How much a mesh is stretched and squeezed: what keeps limbs from being drawn out to spikes by an outline."""

from __future__ import annotations

import torch
from torch import Tensor

from backend.geometry.arrays import Float64, Int64
from backend.geometry.edges import edges_of

WEIGHT = 0.1  # of the stretch beside the squared differences of silhouettes
SHORT = 1e-6  # of the mean square of all lengths: shorter edges do not count
FLAT = 1e-3  # square of a ratio, from which on a squeezed edge costs no more


class Stretch:
    """Mean of (r² + 1/r² - 2)² over the edges, r the ratio of an edge's length to that at rest, by squared lengths.

    Twice as long counts as half as long; the square makes a few edges that are much longer worse than many a little.
    """

    def __init__(self, positions: Float64, triangles: Int64, device: torch.device) -> None:
        """``positions`` [V, 3] are at rest."""
        pairs = edges_of(triangles).ends
        squared = ((positions[pairs[:, 0]] - positions[pairs[:, 1]]) ** 2).sum(axis=1)
        counts = squared > SHORT * squared.mean()
        self._first, self._second = torch.as_tensor(pairs[counts].T.copy(), device=device)  # [E] each
        self._rest = torch.as_tensor(squared[counts], device=device)  # [E]

    def __call__(self, positions: Tensor) -> Tensor:
        """Of the mesh with vertices [V, 3], weighed; a scalar."""
        ratio = (positions[self._first] - positions[self._second]).square().sum(dim=1) / self._rest
        strain = (ratio + 1.0 / ratio.clamp(min=FLAT) - 2.0).square()
        return WEIGHT * (self._rest * strain).sum() / self._rest.sum()
