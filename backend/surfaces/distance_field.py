"""``DistanceField``: a fitted network with the frame it works in, as everything else sees it: in object space."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend.device import flushed_denormals
from backend.fact_file import fact_file, parse_fact_file, undamaged
from backend.fields.distance_network import DistanceNetwork
from backend.fields.evaluate import evaluated
from backend.geometry.arrays import Float64
from backend.geometry.shape import UnitFrame
from backend.methods.state import load_weights, weights_of
from backend.surfaces.beyond import ROOM, Around
from backend.surfaces.networks import network_of

FORMAT = "tweenfield-field-1"
BATCH = 8192  # points differentiated at once
PROBES = 4096  # points at which the slope of a network without a bound is measured
STEEPER = 1.5  # and it may be this many times steeper between them; at 300,000 points it was 1.3 times at most


@dataclass(frozen=True, eq=False)
class DistanceField:
    """f: object space -> object-space length; the surface is where f is ``level``. Away from it f is ``continued``."""

    network: DistanceNetwork
    frame: UnitFrame
    low: Float64  # [D], object space: box of the shape it was fitted to
    high: Float64  # [D]
    signed: bool = True  # negative inside; otherwise positive on both sides
    level: float = 0.0  # object-space length: 0 where signed, a small positive offset where not
    slope: float = 1.0  # the gradient is nowhere longer
    bounded: bool = False  # that slope is 1 is guaranteed by the network, everywhere
    facts: Mapping[str, Any] = field(default_factory=dict)  # method, preset, settings, seed, of plain types

    @property
    def dimension(self) -> int:
        return len(self.low)

    @property
    def diagonal(self) -> float:
        """Of the box, object space."""
        return float(np.linalg.norm(self.high - self.low))

    def values(self, points: Float64) -> Float64:
        """f [N] at points [N, D]."""
        inward = self.frame.enter(points)
        far = self._around.beyond(inward)
        found = np.empty(len(inward))
        found[~far] = evaluated(lambda p, _: self.network(p), inward[~far], 0.0, device=self._device())
        found[far], _ = self._around.continued(self._asked, inward[far], self.bounded)
        return found * self.frame.length

    def values_and_gradients(self, points: Float64) -> tuple[Float64, Float64]:
        """f [N] and its gradient [N, D] at points [N, D]."""
        inward = self.frame.enter(points)
        far = self._around.beyond(inward)
        value, gradient = np.empty(len(inward)), np.empty_like(inward)
        value[~far], gradient[~far] = self._asked(inward[~far])
        value[far], gradient[far] = self._around.continued(self._asked, inward[far], self.bounded)
        return value * self.frame.length, gradient

    @cached_property
    def _around(self) -> Around:
        return Around(self.frame.enter(self.low) - ROOM, self.frame.enter(self.high) + ROOM)

    def _asked(self, points: Float64) -> tuple[Float64, Float64]:
        """Values [N] and gradients [N, D] of the network at points [N, D], all in the unit frame."""
        given = torch.as_tensor(points, dtype=torch.float32, device=self._device())
        with torch.no_grad(), flushed_denormals():
            parts = [self.network.value_and_gradient(part) for part in torch.split(given, BATCH)]
        value, gradient = (torch.cat(found).cpu().numpy().astype(np.float64) for found in zip(*parts, strict=True))
        return value, gradient

    def measured(self) -> DistanceField:
        """The same field, its slope that of the network around the shape, with something to spare, and 1 at least."""
        low, high = self._around.low, self._around.high
        probes = np.random.default_rng(0).uniform(low, high, (PROBES, self.dimension))
        steepest = float(np.linalg.norm(self._asked(probes)[1], axis=1).max())
        return replace(self, slope=max(1.0, STEEPER * steepest))

    def to_bytes(self) -> bytes:
        """As a safetensors file: nothing in it can execute."""
        facts = {
            "family": self.network.family,
            "form": dict(self.network.form()),
            "centre": self.frame.centre.tolist(),
            "length": self.frame.length,
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "signed": self.signed,
            "level": self.level,
            "slope": self.slope,
            "bounded": self.bounded,
            "facts": dict(self.facts),
        }
        return fact_file(FORMAT, weights_of("network", self.network), facts)

    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


def field_of(data: bytes, name: str) -> DistanceField:
    """The field of a file's bytes; ``name`` is what errors call it. Raises ``SettingError`` for any other bytes."""
    tensors, facts = parse_fact_file(data, FORMAT, f"{name}: not a field of `fit`")
    with undamaged(f"{name}: a damaged field"):
        network = network_of(facts["family"], facts["form"])
        load_weights("network", network, tensors)
        return DistanceField(
            network.at_rest(),
            UnitFrame(np.array(facts["centre"]), facts["length"]),
            np.array(facts["low"]),
            np.array(facts["high"]),
            facts["signed"],
            facts["level"],
            facts["slope"],
            facts["bounded"],
            facts["facts"],
        )


def read_field(path: Path) -> DistanceField:
    """The field of a file. Raises ``SettingError`` for any other file, ``OSError`` where there is none."""
    return field_of(path.read_bytes(), str(path))
