"""The numbers of a shape space's training and of the encoding of a shape in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from backend.methods.settings import setting
from protocol.settings import SettingError


@dataclass(frozen=True)
class SpaceSettings:
    """Lengths are in the frame of the space, where the longest side of all shapes together is 1.8.

    Defaults are those of ``fast``: minutes of a processor core.
    """

    steps: int = setting(2000, "Training steps", minimum=0, maximum=100_000_000, unit="steps")
    shapes: int = setting(16, "Shapes in a step, at most", minimum=1, maximum=100_000)
    known: int = setting(
        256, "Points of each shape whose distance is known, in every step", minimum=0, maximum=1_000_000, unit="points"
    )
    batch: int = setting(
        0, "Points on each shape, and as many around it, in every step: the paper's losses",
        minimum=0, maximum=1_000_000, unit="points",
    )  # fmt: skip
    between: bool = setting(
        True, "Of neighbours that share their faces, as frames of a sequence do, train on the mean, too"
    )
    code: int = setting(16, "Numbers in a latent code", minimum=1, maximum=4096)
    width: int = setting(128, "Width of the network's layers", minimum=8, maximum=2048)
    depth: int = setting(4, "Hidden layers of the network", minimum=1, maximum=16)
    activation: str = setting("sine", "Between the layers; softplus is the paper's", choices=("sine", "softplus"))
    learning_rate: float = setting(5e-3, "Learning rate at the start", minimum=1e-7, maximum=1.0)
    halving: int = setting(
        0, "Halve the learning rate whenever every shape was drawn so often; 0: a cosine", minimum=0, maximum=1_000_000
    )
    code_rate: float = setting(1.0, "Learning rate of the codes, as a share", minimum=1e-4, maximum=100.0)
    code_spread: float = setting(0.1, "Deviation of the random codes at the start", minimum=1e-6, maximum=10.0)
    code_weight: float = setting(1e-3, "Weight of the codes' lengths", minimum=0.0, maximum=100.0)
    label_weight: float = setting(10.0, "Weight of the known distances", minimum=0.0, maximum=1e6)
    surface_weight: float = setting(1.0, "Weight of the values on the surface", minimum=0.0, maximum=1e6)
    eikonal_weight: float = setting(0.1, "Weight of the eikonal loss", minimum=0.0, maximum=1e6)
    normal_weight: float = setting(1.0, "Weight of the normals", minimum=0.0, maximum=1e6)
    sigma: float = setting(0.01, "Deviation of the points around a shape", minimum=1e-5, maximum=1.0)
    space_frequency: float = setting(
        3.0, "Detail in space that a sine network starts with", minimum=0.1, maximum=100.0, unit="radians per unit"
    )
    code_frequency: float = setting(
        1.0, "The same from code to code", minimum=0.01, maximum=100.0, unit="radians per unit"
    )
    encode_steps: int = setting(250, "Steps of an encoding", minimum=1, maximum=1_000_000, unit="steps")
    encode_rate: float = setting(2e-2, "Learning rate of an encoding at the start", minimum=1e-7, maximum=1.0)
    encode_points: int = setting(
        2048, "Points of the shape in every step of an encoding", minimum=1, maximum=1_000_000, unit="points"
    )
    keep_every: int = setting(500, "Steps between two checkpoints", minimum=1, maximum=1_000_000, unit="steps")

    @property
    def skip(self) -> int | None:
        """The layer that sees code and point again: the paper's networks of softplus alone need it."""
        return 4 if self.activation == "softplus" and self.depth > 4 else None


# What differs from ``fast``. The paper's: 8 layers of 512, codes of 256, 16 shapes of 8,000 points a step, both rates
# halved every 500 of 10,000 epochs, that of the codes a fifth of the network's.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fast": {},
    "paper": {
        "known": 0,
        "batch": 8000,
        "between": False,
        "code": 256,
        "width": 512,
        "depth": 8,
        "activation": "softplus",
        "halving": 500,
        "code_rate": 0.2,
        "code_spread": 1.0 / 256,
        "encode_steps": 800,
        "encode_rate": 5e-3,
        "encode_points": 16_384,
        "keep_every": 1000,
    },
}
PAPER_EPOCHS = 10_000


def preset(name: str, shapes: int, changes: Mapping[str, Any] | None = None) -> SpaceSettings:
    """The settings of a preset for so many shapes. Raises ``SettingError``."""
    if name not in PRESETS:
        raise SettingError(f"there is no preset {name!r} of shape spaces; there are {', '.join(PRESETS)}")
    chosen = SpaceSettings(**{**PRESETS[name], **(changes or {})})
    if name == "paper" and "steps" not in (changes or {}):
        return replace(chosen, steps=PAPER_EPOCHS * epoch(chosen, shapes))
    return chosen


def epoch(settings: SpaceSettings, shapes: int) -> int:
    """Steps in which every one of so many shapes is drawn once."""
    return -(-shapes // min(settings.shapes, shapes))
