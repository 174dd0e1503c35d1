"""``BoundedField``: a 1-Lipschitz network of space and time, exact at every shape that it goes through."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.fields.evaluate import evaluated
from backend.fields.one_lipschitz import OneLipschitz
from backend.geometry.signed_distance import SignedSurface
from backend.geometry.triangles import box_around
from backend.methods.carried_pair import RigidPair
from backend.methods.field_morph import MovingField
from backend.methods.latent_field import MARGIN, latent_shapes
from backend.methods.state import load_weights, weights_of
from backend.methods.thin_pair import ThinPair
from backend.training.bounded_fit import timed
from backend.training.shape_samples import Shape

Float = NDArray[np.float64]

WINDOW = 0.1  # share of the time between two shapes in which the network takes over from the exact distance


class BoundedField(MovingField):
    """f(x, t) = (1 - w) (N(x, c t) - s(t)) + w d_k(x) in the co-moving frame; shape k is at t_k = k / K.

    N is 1-Lipschitz in all its inputs, so at any fixed time in x alone, whatever its weights; d_k is the exact distance
    of the shape nearest in time, divided by its own slope where holes make it steeper, so 1-Lipschitz too. What is
    mixed of both is so again: no frame's field is steeper than 1, and w, which falls smoothly from 1 at t_k to 0, makes
    the shapes exact. In time N is no steeper than the pace c. The level s(t), the same everywhere in space, is what
    makes the volume between the shapes what it should be.
    """

    slope = 1.0

    def __init__(
        self,
        carried: RigidPair,
        stops: Sequence[Float],  # poses of the source's surface [W, 3] between the ends, relative to its origin
        network: OneLipschitz,  # of (x, c t)
        pace: float,  # c, units in all
        levels: Float,  # [M], s at equal steps in time
        *,
        corrected: bool,
    ) -> None:
        self.carried = self._rigid = carried
        self.stops = list(stops)
        self.network = network
        self.pace = pace
        self.levels = levels
        self._corrected = corrected

    @cached_property
    def shapes(self) -> list[Shape]:
        """Source, stops and target in the frame."""
        return latent_shapes(self._rigid, self.stops)

    def values(self, points: Float, t: float) -> Float:
        frame = self.carried.frame
        inward = frame.enter(points, t)
        k, share = self._nearest(t)
        found = share * self._distance(k, inward) if share else np.zeros(len(inward))
        if share < 1.0:
            level = np.interp(t, np.linspace(0.0, 1.0, len(self.levels)), self.levels)
            found = found + (1.0 - share) * (evaluated(self._at_time, inward, t, device=self._device) - level)
        return frame.length(t) * found

    def thin(self, t: float, resolution: int) -> tuple[Float, ...]:
        """At both ends, where they are exact; the network between them knows nothing as thin."""
        return self._thin.at(t, resolution) if self._corrected and t in (0.0, 1.0) else ()

    def box(self, t: float) -> tuple[Float, Float]:
        frame = self.carried.frame
        every = [*self.carried.at(t)]
        every += [frame.leave(frame.enter(stop, k / self._legs), t) for k, stop in enumerate(self.stops, 1)]
        return box_around(np.concatenate(every), MARGIN)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays, values = self.carried.state()
        stops = {"stops": np.stack(self.stops)} if self.stops else {}
        own = {"network": dict(self.network.form()), "pace": self.pace, "corrected": self._corrected}
        return arrays | weights_of("network", self.network) | stops | {"levels": self.levels}, values | own

    @staticmethod
    def restored(carried: RigidPair, arrays: Any, values: Any) -> BoundedField:
        """The field whose ``state()`` was ``arrays`` and ``values``."""
        network = OneLipschitz(**values["network"])
        load_weights("network", network, arrays)
        stops = [np.asarray(stop, np.float64) for stop in arrays.get("stops", ())]
        levels = np.asarray(arrays["levels"], np.float64)
        return BoundedField(carried, stops, network.at_rest(), values["pace"], levels, corrected=values["corrected"])

    @property
    def _legs(self) -> int:
        return len(self.stops) + 1

    @property
    def _device(self) -> torch.device:
        return self.network.offset.device

    @cached_property
    def _surfaces(self) -> list[SignedSurface]:
        return [SignedSurface(shape.positions, shape.triangles, shape.sides) for shape in self.shapes]

    @cached_property
    def _thin(self) -> ThinPair:
        length, shapes = self.carried.frame.length, self.shapes
        ends = shapes[0].sides.grown(length(0.0)), shapes[-1].sides.grown(length(1.0))
        return ThinPair(self.carried, ends, self.box)

    def _distance(self, k: int, inward: Float) -> Float:
        """d_k [N] at points of the frame [N, 3]."""
        return self._surfaces[k](inward) / self._surfaces[k].slope

    def _nearest(self, t: float) -> tuple[int, float]:
        """The shape nearest in time, and its share w."""
        k = round(t * self._legs)
        away = abs(t * self._legs - k) / WINDOW
        if not self._corrected or away >= 1.0:
            return k, 0.0
        return k, 1.0 - away * away * (3.0 - 2.0 * away)

    def _at_time(self, points: Tensor, t: float) -> Tensor:
        """N [N] at points of the frame [N, 3]."""
        found: Tensor = self.network(timed(points, t, self.pace))
        return found
