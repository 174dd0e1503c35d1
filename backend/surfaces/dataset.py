"""``Dataset``: the points a field is trained on and measured with, as in the datasets of the 1-Lipschitz paper.

Coiffier and Bethune, SGP 2024, section 5 of their supplement and code: which points a mode has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backend.geometry.arrays import Float64
from backend.geometry.shape import UnitFrame
from backend.surfaces.known_shape import KnownShape

MODES = ("signed", "unsigned", "dist", "sal")
# The arrays of each mode; `normals` only where the shape has them.
ARRAYS: Mapping[str, tuple[str, ...]] = {
    "signed": ("on", "inside", "outside", "normals"),
    "unsigned": ("on", "outside"),
    "dist": ("points", "distances"),
    "sal": ("on", "points", "distances", "normals"),
}


@dataclass(frozen=True, eq=False)
class Dataset:
    """Points in the unit frame."""

    mode: str  # one of MODES
    frame: UnitFrame
    low: Float64  # [D], object space: box of the shape
    high: Float64  # [D]
    arrays: Mapping[str, Float64]  # on, inside, outside, normals, points [N, D]; distances [N]
    test_points: Float64 | None = None  # [M, D]; a cloud has no truth to test with
    test_distances: Float64 | None = None  # [M], signed where the shape has an inside
    shape: KnownShape | None = None  # where it was made of one just now, not read from a folder
    facts: Mapping[str, Any] = field(default_factory=dict)  # where it came from, plain types

    @property
    def dimension(self) -> int:
        return len(self.low)
