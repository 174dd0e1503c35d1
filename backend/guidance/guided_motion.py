"""``GuidedMotion``: a motion of the source's own faces, and one layer on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.geometry.arrays import Float64
from backend.geometry.normalise import similarity_alignment
from backend.guidance.layer import Layer
from backend.guidance.warp import Warp
from backend.methods.surface_morph import Motion


class GuidedMotion(Motion):
    """x(t) + w(t) s(t) R(t) d: every point has the displacement d that the layer has at the point's place at its time.

    R and s are the turn and the growth of the whole surface from the layer's time to t, so that d goes with it.
    """

    def __init__(self, base: Motion, layer: Layer) -> None:
        self.time_steps = base.time_steps
        self._base = base
        self._layer = layer
        self._warp = Warp(layer.forth)

    def positions(self, times: Sequence[float]) -> Iterator[Float64]:
        for t, moved in zip(times, self._base.positions(times), strict=True):
            share = self._layer.weight(t)
            yield moved if share == 0.0 else moved + share * self._turned(self._shift, moved)

    def carries(self, points: Float64, times: Sequence[float]) -> Iterator[Float64]:
        there = next(self._base.carries(points, [self._layer.time]))
        shift = self._warp.forth(there) - there
        ways = self._base.carries(points, times), self._base.positions(times)
        for t, moved, surface in zip(times, *ways, strict=True):
            share = self._layer.weight(t)
            yield moved if share == 0.0 else moved + share * self._turned(shift, surface)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Of the motion that is guided; what guides it is kept beside it."""
        return self._base.state()

    @cached_property
    def _matched(self) -> Float64:
        """The surface [W, 3] at the layer's time, as it is without it."""
        return next(self._base.positions([self._layer.time]))

    @cached_property
    def _shift(self) -> Float64:
        return self._warp.forth(self._matched) - self._matched

    def _turned(self, shift: Float64, surface: Float64) -> Float64:
        """Displacements [N, 3] when the surface is at [W, 3]."""
        whole = similarity_alignment(surface, self._matched)
        return np.asarray(whole.scale * shift @ whole.rotation.T)
