"""``LatentField``: a network of space and a latent code, and time as the way through the codes."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backend.fields.coded_network import CodedMlp, CodedNetwork, coded_from
from backend.fields.evaluate import evaluated
from backend.fields.mlp import Mlp
from backend.geometry.signed_distance import SignedSurface
from backend.geometry.spline import Spline, leg_at
from backend.geometry.triangles import box_around
from backend.methods.carried_pair import RigidPair
from backend.methods.field_morph import MovingField
from backend.methods.state import load_weights, weights_of
from backend.methods.thin_pair import ThinPair
from backend.training.shape_samples import Shape

Float = NDArray[np.float64]

WINDOW = 0.25  # share of the time between two shapes in which a correction fades
MARGIN = 0.05  # of the box, in its longest side: between the shapes the surface may reach beyond them
PROBES = 2048  # points and times at which the slope is measured
BATCH = 8192  # points whose way through the network is in memory at once
STEEPER = 1.5  # and it may be this many times steeper elsewhere


class LatentField(MovingField):
    """f(x, t) = N(x, z(t)) + w (d_k(x) - N(x, z(t_k))) in the co-moving frame; shape k is at t_k = k / K.

    d_k is the exact distance of the shape nearest in time, and w falls smoothly from 1 at t_k to 0. The code z(t) is
    the time itself, or goes along a spline through the codes of the shapes.
    """

    def __init__(
        self,
        carried: RigidPair,
        stops: Sequence[Float],  # poses of the source's surface [W, 3] between the ends, relative to its origin
        network: CodedNetwork | Mlp,  # an Mlp is one of (x, z)
        *,
        corrected: bool,
        codes: Float | None = None,  # [K + 1, C], of the shapes; None: their times
        slope: float | None = None,  # what was measured before, if it was
    ) -> None:
        self.carried = self._rigid = carried
        self.stops = list(stops)
        self.network: CodedNetwork = CodedMlp(network) if isinstance(network, Mlp) else network
        self._corrected = corrected
        self._codes = codes
        self._path = None if codes is None else Spline(codes)
        self._shift: Float | None = None  # [C], of the code at all times
        if codes is not None:
            self.code_size = codes.shape[1]
            self.code_span = float(np.linalg.norm(np.diff(codes, axis=0), axis=1).mean())
        self.slope = self._steepest() if slope is None else slope

    def steered(self, shift: Float) -> LatentField:
        if self._path is None:
            return self
        changed = copy(self)
        changed._shift = shift if self._shift is None else self._shift + shift
        changed.slope = max(self.slope, changed._steepest())
        return changed

    def code_gradient(self, points: Float, t: float, weights: Float) -> Float:
        if self._path is None or self._correction(t)[1] == 1.0:  # at a shape itself no code counts
            return np.zeros(self.code_size)
        frame = self.carried.frame
        inward, shares = (
            torch.as_tensor(part, dtype=torch.float32, device=self._device)
            for part in (frame.enter(points, t), frame.length(t) * weights)
        )
        code = torch.as_tensor(self.code(t), dtype=torch.float32, device=self._device).requires_grad_()
        total = torch.zeros_like(code)
        for places, share in zip(torch.split(inward, BATCH), torch.split(shares, BATCH), strict=True):
            (part,) = torch.autograd.grad((self.network(places, code) * share).sum(), code)
            total += part
        return total.cpu().double().numpy()

    def raw(self) -> LatentField:
        """The network alone."""
        return LatentField(self._rigid, self.stops, self.network, corrected=False, codes=self._codes)

    @cached_property
    def shapes(self) -> list[Shape]:
        """Source, stops and target in the frame."""
        return latent_shapes(self._rigid, self.stops)

    def values(self, points: Float, t: float) -> Float:
        frame = self.carried.frame
        inward = frame.enter(points, t)
        k, share = self._correction(t)
        if share == 1.0:
            return frame.length(t) * self._distances[k](inward)
        found = self._values(inward, self.code(t))
        if share:
            found = found + share * (self._distances[k](inward) - self._values(inward, self._way(k / self._legs)))
        return frame.length(t) * found

    def thin(self, t: float, resolution: int) -> tuple[Float, ...]:
        """At both ends, where they are exact; the network between them knows nothing as thin."""
        return self._thin.at(t, resolution) if self._corrected and t in (0.0, 1.0) else ()

    def box(self, t: float) -> tuple[Float, Float]:
        frame = self.carried.frame
        every = [*self.carried.at(t)]
        for k, stop in enumerate(self.stops, 1):
            every.append(frame.leave(frame.enter(stop, k / self._legs), t))
        return box_around(np.concatenate(every), MARGIN)

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays, values = self.carried.state()
        weights = weights_of("network", self.network.module)
        stops = {"stops": np.stack(self.stops)} if self.stops else {}
        codes = {} if self._codes is None else {"codes": self._codes}
        own = {"network": self.network.facts(), "corrected": self._corrected, "slope": self.slope}
        return arrays | weights | stops | codes, values | own

    @staticmethod
    def restored(carried: RigidPair, arrays: Any, values: Any) -> LatentField:
        """The field whose ``state()`` was ``arrays`` and ``values``."""
        network = coded_from(values["network"])
        load_weights("network", network.module, arrays)
        stops = [np.asarray(stop, np.float64) for stop in arrays.get("stops", ())]
        codes = arrays.get("codes")
        return LatentField(
            carried,
            stops,
            network,
            corrected=values["corrected"],
            codes=None if codes is None else np.asarray(codes, np.float64),
            slope=values["slope"],
        )

    @property
    def _legs(self) -> int:
        return len(self.stops) + 1

    @cached_property
    def _distances(self) -> list[SignedSurface]:
        return [SignedSurface(shape.positions, shape.triangles, shape.sides) for shape in self.shapes]

    @cached_property
    def _thin(self) -> ThinPair:
        length, shapes = self.carried.frame.length, self.shapes
        return ThinPair(
            self.carried, (shapes[0].sides.grown(length(0.0)), shapes[-1].sides.grown(length(1.0))), self.box
        )

    def _correction(self, t: float) -> tuple[int, float]:
        """The shape nearest in time, and how far the field is corrected towards it."""
        k = round(t * self._legs)
        away = abs(t * self._legs - k) / WINDOW
        if not self._corrected or away >= 1.0:
            return k, 0.0
        return k, 1.0 - away * away * (3.0 - 2.0 * away)

    def code(self, t: float) -> Float:
        """z(t) [C]"""
        return self._way(t) if self._shift is None else self._way(t) + self._shift

    def _way(self, t: float) -> Float:
        """The same without what it is shifted by: the error at a shape is that of the shape's own code."""
        return np.array([t]) if self._path is None else self._path.at(*leg_at(t, self._legs))

    def _values(self, inward: Float, given: Float) -> Float:
        """The network [N] at points of the frame [N, 3] and a code [C]."""
        code = torch.as_tensor(given, dtype=torch.float32, device=self._device)

        def network(points: torch.Tensor, _: float) -> torch.Tensor:
            return self.network(points, code)

        return evaluated(network, inward, 0.0, device=self._device)

    def _steepest(self) -> float:
        """The longest gradient at random points of the frame and times, with something to spare."""
        rng = np.random.default_rng(0)
        every = np.concatenate([shape.positions for shape in self.shapes])
        points = rng.uniform(every.min(axis=0) - 0.1, every.max(axis=0) + 0.1, (PROBES, 3))
        times = rng.random(PROBES)
        slopes = self._gradients(points, np.stack([self.code(float(t)) for t in times]))
        if self._corrected:
            where = [self._correction(float(t)) for t in times]
            share = np.array([s for _, s in where])
            at_shape = self._gradients(points, np.stack([self._way(k / self._legs) for k, _ in where]))
            corrected = np.linalg.norm(slopes - share[:, None] * at_shape, axis=1) + share
            return max(STEEPER * float(corrected.max()), 1.0)
        return STEEPER * float(np.linalg.norm(slopes, axis=1).max())

    def _gradients(self, inward: Float, codes: Float) -> Float:
        """Of the network in space [N, 3], at points [N, 3] and codes [N, C]."""
        given = (torch.as_tensor(part, dtype=torch.float32, device=self._device) for part in (inward, codes))
        with torch.no_grad():
            return self.network.value_and_gradient(*given)[1].cpu().double().numpy()

    @property
    def _device(self) -> torch.device:
        return next(self.network.module.parameters()).device


def latent_shapes(carried: RigidPair, stops: Sequence[Float]) -> list[Shape]:
    """Source, stops and target in the frame of the pair; what is inside is decided once for each."""
    frame, legs = carried.frame, len(stops) + 1
    triangles = carried.source.triangles
    poses = [(carried.source.positions, triangles), *((stop, triangles) for stop in stops)]
    poses.append((carried.target.positions, carried.target.triangles))
    return [Shape.of(frame.enter(positions, k / legs), triangles) for k, (positions, triangles) in enumerate(poses)]
