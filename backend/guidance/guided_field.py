"""``GuidedField``: a moving field, and one layer on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.geometry.arrays import Float64
from backend.geometry.triangles import smallest_share
from backend.guidance.lattice import Lattice
from backend.guidance.layer import Layer
from backend.guidance.warp import undone
from backend.methods.carried_pair import CarriedPair
from backend.methods.field_morph import MovingField
from protocol.settings import SettingError

ROOM = 0.02  # of the longest side of the box around the surface at the layer's time, around it
FRAGMENT = 0.03  # share of the area: a smaller part is no part of a shape that is in one piece at both ends


class Passage:
    """From places at any time to those at the layer's, in the co-moving frame of a pair, and back."""

    def __init__(self, carried: CarriedPair, layer: Layer) -> None:
        self._carried = carried
        self._there = carried.progress(layer.time)

    def enter(self, points: Float64, t: float) -> Float64:
        """Points [N, 3] of time ``t`` at the layer's."""
        frame = self._carried.frame
        return frame.leave(frame.enter(points, self._carried.progress(t)), self._there)

    def leave(self, points: Float64, t: float) -> Float64:
        """Points [N, 3] of the layer's time at ``t``."""
        frame = self._carried.frame
        return frame.leave(frame.enter(points, self._there), self._carried.progress(t))

    def growth(self, t: float) -> float:
        """How long at time ``t`` a length of 1 at the layer's time is."""
        frame = self._carried.frame
        return frame.length(self._carried.progress(t)) / frame.length(self._there)


class GuidedField(MovingField):
    """f(x, t) = g(x + w b(x), t; w c) + w a(x), with b, a and c of the layer, in the co-moving frame.

    c is added to the latent code of g, where it has one. Outside of the box that holds its surface, g counts as the
    distance to the box, since nobody knows what it is there.
    """

    def __init__(self, base: MovingField, layer: Layer) -> None:
        if layer.back is None or layer.added is None:
            raise SettingError("a layer of the morph is of one that keeps the source's own faces")
        self.carried: CarriedPair = GuidedPair(base.carried, layer)
        self._base = base
        self._layer = layer
        self._back, self._added = layer.back, layer.added
        self._passage = Passage(base.carried, layer)
        self._whole = all(
            smallest_share(end.positions, end.triangles) > 0.5 for end in (self.carried.source, self.carried.target)
        )
        self._steered: tuple[float, MovingField] = 0.0, base  # for the weight that was asked for last
        self.code_size, self.code_span = base.code_size, base.code_span
        self._steep = self._back.stretch, self._added.steepest
        self.slope = self._slope(1.0, max(base.slope, self._below(1.0).slope))

    def slope_at(self, t: float) -> float:
        share = self._layer.weight(t)
        return self._slope(share, self._below(share).slope_at(t))

    def values(self, points: Float64, t: float) -> Float64:
        share = self._layer.weight(t)
        if share == 0.0:
            return self._base.values(points, t)
        place = self._passage.enter(points, t)
        added = share * self._passage.growth(t) * self._added.at(place)[:, 0]
        return np.asarray(_within(self._below(share), self._asked(place, share, t), t) + added)

    def steered(self, shift: Float64) -> GuidedField:
        return GuidedField(self._base.steered(shift), self._layer)

    def code_gradient(self, points: Float64, t: float, weights: Float64) -> Float64:
        share = self._layer.weight(t)
        asked = points if share == 0.0 else self._asked(self._passage.enter(points, t), share, t)
        return self._below(share).code_gradient(asked, t, weights)

    def thin(self, t: float, resolution: int) -> tuple[Float64, ...]:
        found = self._base.thin(t, resolution)
        moved = self._layer.weight(t) > 0.0
        return tuple(_forth(self._passage, self._layer, points, t) for points in found) if moved else found

    def smallest_part(self, t: float) -> float:
        kept = self._base.smallest_part(t)
        return FRAGMENT if self._layer.weight(t) > 0.0 and self._whole else kept

    def box(self, t: float) -> tuple[Float64, Float64]:
        low, high = self._base.box(t)
        if self._layer.weight(t) == 0.0 or self._layer.low is None or self._layer.high is None:
            return low, high
        corners = np.array(list(product(*zip(self._layer.low, self._layer.high, strict=True))))
        there = self._passage.leave(corners, t)
        room = ROOM * float(np.ptp(there, axis=0).max())
        return np.minimum(low, there.min(axis=0) - room), np.maximum(high, there.max(axis=0) + room)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Of the field that is guided; what guides it is kept beside it."""
        return self._base.state()

    def _asked(self, place: Float64, share: float, t: float) -> Float64:
        """Where the field below is looked up for places [N, 3] of the layer's time."""
        return self._passage.leave(place + share * self._back.at(place), t)

    def _below(self, share: float) -> MovingField:
        """The field below, its code shifted as far as the layer counts."""
        if share == 0.0 or self._layer.code is None:
            return self._base
        if self._steered[0] != share:
            self._steered = share, self._base.steered(share * self._layer.code)
        return self._steered[1]

    def _slope(self, share: float, base: float) -> float:
        if share == 0.0:
            return base
        return max(base, 1.0) * (1.0 + share * (self._steep[0] - 1.0)) + share * self._steep[1]


class GuidedPair(CarriedPair):
    """A carried pair that goes with the layer."""

    def __init__(self, base: CarriedPair, layer: Layer) -> None:
        self.source = base.source
        self.target = base.target
        self.frame = base.frame
        self.time_steps = base.time_steps
        self._base = base
        self._layer = layer
        self._passage = Passage(base, layer)

    def progress(self, t: float) -> float:
        return self._base.progress(t)

    def at(self, t: float) -> tuple[Float64, Float64]:
        source, target = self._base.at(t)
        if self._layer.weight(t) == 0.0:
            return source, target
        return _forth(self._passage, self._layer, source, t), _forth(self._passage, self._layer, target, t)

    def carries(self, points: Float64, times: Sequence[float]) -> Iterator[Float64]:
        for t, moved in zip(times, self._base.carries(points, times), strict=True):
            yield moved if self._layer.weight(t) == 0.0 else _forth(self._passage, self._layer, moved, t)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Of the pair that is guided."""
        return self._base.state()


def _within(base: MovingField, points: Float64, t: float) -> Float64:
    """The field [N] at points [N, 3]; outside of its box no less than the distance to that."""
    low, high = base.box(t)
    inner = np.clip(points, low, high)
    apart = np.linalg.norm(points - inner, axis=1)
    found = base.values(inner, t)
    return np.where(apart > 0.0, np.maximum(found, apart), found)


def _forth(passage: Passage, layer: Layer, points: Float64, t: float) -> Float64:
    """Points [N, 3] at time ``t`` where the layer moves them."""
    assert layer.back is not None
    return passage.leave(sent(layer.back, passage.enter(points, t), layer.weight(t)), t)


def sent(back: Lattice, points: Float64, share: float) -> Float64:
    """The x [N, 3] for which x plus ``share`` of the displacement at x is ``points``, however steep it is."""
    return undone(back, points, share, 1.0 / (1.0 + share * (back.stretch - 1.0)))
