"""``CorrectedField``: the distance that a carried pair knows, and what a network adds where that is a guess."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backend.device import flushed_denormals
from backend.fields.residual import ResidualField, ResidualShape
from backend.methods.blended_distance import BlendedDistance
from backend.methods.carried_pair import CarriedPair
from backend.methods.field_morph import MovingField
from backend.methods.state import load_weights, weights_of
from backend.methods.thin_pair import ThinPair

Float = NDArray[np.float64]


class CorrectedField(MovingField):
    """f(x, t) = phi(x, t) + r(x, t); phi is exact at both ends, where r is nothing."""

    def __init__(
        self, carried: CarriedPair, blended: BlendedDistance, residual: ResidualField, steepest: float
    ) -> None:
        """``steepest``: the longest gradient of r that was met, which bounds the slope of f."""
        self.carried = carried
        self.slope = blended.slope + steepest
        self._steepest = steepest
        self._blended = blended
        self._residual = residual
        self._thin = ThinPair(carried, blended.sides, self.box)

    def values(self, points: Float, t: float) -> Float:
        found = self._blended.at(t)(points).distances
        if t in (0.0, 1.0):
            return found
        progress = self.carried.progress(t)
        inward = torch.as_tensor(self.carried.frame.enter(points, progress), dtype=torch.float32)
        inward = inward.to(next(self._residual.parameters()).device)
        with torch.inference_mode(), flushed_denormals():
            added = self._residual(inward, inward.new_full((len(inward),), t)).cpu().double().numpy()
        return np.asarray(found + self.carried.frame.length(progress) * added)

    def thin(self, t: float, resolution: int) -> tuple[Float, ...]:
        return self._thin.at(t, resolution)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays, values = self.carried.state()
        weights = weights_of("residual", self._residual)
        own = {"residual": asdict(self._residual.shape), "steepest": self._steepest}
        return arrays | weights, {"carried": values, **own}

    @staticmethod
    def restored(carried: CarriedPair, arrays: Any, values: Any) -> CorrectedField:
        """The field whose ``state()`` was ``arrays`` and ``values``."""
        residual = ResidualField(ResidualShape(**values["residual"]))
        load_weights("residual", residual, arrays)
        return CorrectedField(carried, BlendedDistance(carried), residual, values["steepest"])
