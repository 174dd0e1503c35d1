"""``ShapeSpace``: a trained space with the frame it works in, and its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend import data
from backend.fact_file import fact_file, parse_fact_file, put_in_place, undamaged
from backend.geometry.arrays import Float64
from backend.geometry.shape import UnitFrame
from backend.methods.state import load_weights, weights_of
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.space.network import SpaceNetwork
from backend.surfaces.space.settings import SpaceSettings
from backend.surfaces.step_samples import BOX
from backend.training.checkpoints import load_state_of

FORMAT = "tweenfield-space-1"
SHIPPED = Path(data.__file__).parent / "fox_space.safetensors"
MARGIN = 0.05  # of the box of all shapes, in its longest side: other codes may reach farther


@dataclass(frozen=True, eq=False)
class ShapeSpace:
    """Networks and codes; ``facts`` is what is known of the training, of plain types."""

    network: SpaceNetwork
    names: tuple[str, ...]  # of the K shapes it was trained on, in the order of the codes
    held_out: tuple[str, ...]  # of shapes that it was not to see
    frame: UnitFrame
    low: Float64  # [3], object space: box of all shapes
    high: Float64  # [3]
    preset: str = "fast"
    seed: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def begun(
        settings: SpaceSettings,
        names: Sequence[str],
        held_out: Sequence[str],
        points: Float64,  # [N, 3] of all shapes, object space
        *,
        preset: str = "fast",
        seed: int = 0,
    ) -> ShapeSpace:
        """A space that is not trained yet."""
        network = SpaceNetwork(settings, len(names))
        network.start_(torch.Generator().manual_seed(seed))
        low, high = points.min(axis=0), points.max(axis=0)
        room = MARGIN * float((high - low).max())
        frame = UnitFrame.around(points)
        return ShapeSpace(network, tuple(names), tuple(held_out), frame, low - room, high + room, preset, seed)

    @cached_property
    def codes(self) -> Float64:
        """[K, C] of the shapes it was trained on."""
        return self.network.codes.detach().cpu().numpy().astype(np.float64)

    @property
    def box(self) -> tuple[Float64, Float64]:
        """Low and high corner [3] in the frame: where the network is asked, so where distances are to be right."""
        return np.full(3, -BOX), np.full(3, BOX)

    def field(self, code: Float64) -> DistanceField:
        """The distance of a code [C] in object space."""
        network = self.network.at(torch.as_tensor(code, dtype=torch.float32, device=self._device)).at_rest()
        return DistanceField(network, self.frame, self.low, self.high, facts={"method": "shape_space"}).measured()

    def random_steps(self, count: int, seed: int) -> Float64:
        """Random steps [count, C] from any code, normal and spread like the codes of the trained shapes."""
        away = self.codes - self.codes.mean(axis=0)
        chance = np.random.default_rng(seed).normal(size=(count, len(away)))
        return np.asarray(chance @ away / np.sqrt(len(away)))

    def to_bytes(self) -> bytes:
        """As a safetensors file: nothing in it can execute. The codes are rows of ``network.raw_codes``."""
        facts = {
            "settings": asdict(self.network.settings),
            "names": list(self.names),
            "held_out": list(self.held_out),
            "centre": self.frame.centre.tolist(),
            "length": self.frame.length,
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "preset": self.preset,
            "seed": self.seed,
            "facts": dict(self.facts),
        }
        return fact_file(FORMAT, weights_of("network", self.network), facts)

    @property
    def _device(self) -> torch.device:
        return self.network.raw_codes.device


def write_space(path: Path, space: ShapeSpace) -> None:
    """Writes the file; it is never seen half written."""
    put_in_place(path, space.to_bytes())


def read_space(path: Path, checkpoint: str | None = None) -> ShapeSpace:
    """The space of a file at rest, or as one of its checkpoints (a step, or ``latest``) has it.

    Raises ``SettingError`` for any other file, ``OSError`` where there is none.
    """
    space = space_of(path.read_bytes(), str(path))
    load_state_of(path, checkpoint, space.network)
    space.network.requires_grad_(False)
    return space


def shipped_space() -> ShapeSpace:
    """The one that comes with the program."""
    return read_space(SHIPPED)


def space_of(content: bytes, name: str) -> ShapeSpace:
    """The space in the bytes of a file; ``name`` is what errors call it. Raises ``SettingError`` for any others."""
    tensors, plain = parse_fact_file(content, FORMAT, f"{name}: not a space of `shape-space train`")
    with undamaged(f"{name}: a damaged space"):
        network = SpaceNetwork(SpaceSettings(**plain["settings"]), len(plain["names"]))
        load_weights("network", network, tensors)
        return ShapeSpace(
            network,
            tuple(plain["names"]),
            tuple(plain["held_out"]),
            UnitFrame(np.array(plain["centre"]), plain["length"]),
            np.array(plain["low"]),
            np.array(plain["high"]),
            plain["preset"],
            plain["seed"],
            plain["facts"],
        )
