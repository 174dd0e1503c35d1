"""The numbers of a decoder's training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from backend.fields.deep_sdf import PAIR, SINGLE_VIEW, DeepSdfShape
from protocol.settings import SettingError

FEW = 4  # shapes that codes of two numbers are enough for, and between which a way is trained


@dataclass(frozen=True)
class DecoderSettings:
    """Lengths are in the frame of the shapes, each within the ball of radius 1.

    Defaults are those of ``fast`` for a few shapes: the published form of the pair without its dropout, one or two
    minutes of a processor core.
    """

    latent: int = PAIR.latent
    width: int = PAIR.width
    depth: int = PAIR.depth
    skip: int | None = PAIR.skip
    degree: int = PAIR.degree
    dropout: float = 0.0
    steps: int = 1800
    shapes: int = 2  # in a step, at most
    points: int = 512  # of each shape in a step, half of them inside
    clamp: float = 0.1  # distances beyond count as this
    published_clamp: bool = False  # values beyond it on the wrong side count as just beyond
    rate: float = 3e-3
    code_rate: float = 2.0  # share of it for the codes
    halving: int = 0  # epochs after which both are halved; 0: a cosine
    code_weight: float = 1e-4
    ramp: int = 100  # epochs over which that weight rises
    between: int = 1024  # points at mixtures of the codes of two shapes in a step
    between_weight: float = 1.0
    keep_every: int = 500  # steps between two checkpoints

    @property
    def form(self) -> DeepSdfShape:
        return DeepSdfShape(self.latent, self.width, self.depth, self.skip, self.degree, self.dropout)


def _published(form: DeepSdfShape, shapes: int, points: int) -> dict[str, Any]:
    own = {name: getattr(form, name) for name in ("latent", "width", "depth", "skip", "degree", "dropout")}
    return own | {
        "shapes": shapes,
        "points": points,
        "published_clamp": True,
        "rate": 5e-4,
        "halving": 500,
        "between": 0,
        "keep_every": 100,
    }


# What differs from ``fast``; the published ones are told by epochs instead of steps.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fast": {},
    "paper": _published(PAIR, 2, 32_192),
    "paper-single-view": _published(SINGLE_VIEW, 16, 8192),
}
EPOCHS: Mapping[str, int] = {"paper": 4000, "paper-single-view": 2001}
MANY: Mapping[str, Any] = {"latent": 16, "shapes": 16, "between": 0, "steps": 4000}  # fast, of more than a few shapes


def preset(name: str, shapes: int, changes: Mapping[str, Any] | None = None) -> DecoderSettings:
    """The settings of a preset for so many shapes. Raises ``SettingError``."""
    if name not in PRESETS:
        raise SettingError(f"there is no preset {name!r} of decoders; there are {', '.join(PRESETS)}")
    many = MANY if name == "fast" and shapes > FEW else {}
    chosen = DecoderSettings(**{**PRESETS[name], **many, **(changes or {})})
    if name in EPOCHS and "steps" not in (changes or {}):
        return replace(chosen, steps=EPOCHS[name] * epoch(chosen, shapes))
    return chosen


def epoch(settings: DecoderSettings, shapes: int) -> int:
    """Steps in which every one of so many shapes is drawn once."""
    return -(-shapes // min(settings.shapes, shapes))
