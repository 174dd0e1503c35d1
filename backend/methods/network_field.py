"""``NetworkField``: the paper's implicit network alone is the surface."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backend.device import flushed_denormals
from backend.fields.evaluate import evaluated
from backend.fields.implicit import ImplicitField
from backend.methods.carried_pair import CarriedPair
from backend.methods.field_morph import MovingField
from backend.methods.state import load_weights, weights_of

Float = NDArray[np.float64]

PROBES = 4096  # points of the frame at which the slope of a network is measured
STEEPER = 1.5  # and it may be this many times steeper elsewhere


class NetworkField(MovingField):
    """f(x, t) in the co-moving frame of a carried pair."""

    def __init__(self, carried: CarriedPair, implicit: ImplicitField, slope: float | None = None) -> None:
        """``slope``: what was measured before, if it was."""
        self.carried = carried
        self._implicit = implicit
        self.slope = self._steepest() if slope is None else slope

    def values(self, points: Float, t: float) -> Float:
        progress = self.carried.progress(t)
        found = evaluated(self._implicit, self.carried.frame.enter(points, progress), t, device=self._device)
        return np.asarray(self.carried.frame.length(progress) * found)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays, values = self.carried.state()
        shape = self._implicit.mlp.shape
        weights = weights_of("implicit", self._implicit)
        return arrays | weights, {"carried": values, "implicit": [shape.width, shape.depth], "slope": self.slope}

    @staticmethod
    def restored(carried: CarriedPair, arrays: Any, values: Any) -> NetworkField:
        """The field whose ``state()`` was ``arrays`` and ``values``."""
        implicit = ImplicitField(*values["implicit"])
        load_weights("implicit", implicit, arrays)
        return NetworkField(carried, implicit, values["slope"])

    def _steepest(self) -> float:
        """The longest gradient at random points of the frame and times, with something to spare."""
        rng = np.random.default_rng(0)
        start = self.carried.frame.enter(self.carried.source.positions, 0.0)
        points = rng.uniform(start.min(axis=0) - 0.1, start.max(axis=0) + 0.1, (PROBES, 3))
        times = self._tensor(rng.random(PROBES))
        with torch.no_grad(), flushed_denormals():
            found = self._implicit.derivatives(self._tensor(points), times)
        return STEEPER * float(found.gradient.norm(dim=1).max())

    def _tensor(self, array: Float) -> torch.Tensor:
        return torch.as_tensor(array, dtype=torch.float32, device=self._device)

    @property
    def _device(self) -> torch.device:
        return next(self._implicit.parameters()).device
