"""How much the say of what lies far off is lessened."""

from __future__ import annotations

import numpy as np

from backend.geometry.arrays import Float64


def geman_mcclure(distance: Float64, scale: float) -> Float64:
    """Factors in 0..1 of distances [N]; 1/4 at ``scale`` (Geman and McClure, Bull. ISI 1987)."""
    return np.asarray(1.0 / (1.0 + (distance / scale) ** 2) ** 2)
