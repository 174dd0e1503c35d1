"""The numbers of a single-view model: its networks, its images and its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from backend.fields.deep_sdf import DeepSdfShape
from backend.methods.settings import setting
from protocol.settings import SettingError

HALVED = 8  # times smaller the last stage of the encoder is than its stem; of one pixel alone no norm can be taken


@dataclass(frozen=True)
class SingleViewSettings:
    """Lengths are in the frame of the dataset, where the diagonal of a shape's box is 1 in ours and ShapeNet's.

    Defaults are those of ``fast``: minutes of a processor core.
    """

    image: int = setting(64, "Side of the images that the encoder sees", minimum=16, maximum=1024, unit="pixels")
    framed: bool = setting(True, "Cut images to the shape, so that its size and place in them do not matter")
    width: int = setting(16, "Channels of the encoder's first stage; the next have 2, 4 and 4 times that", minimum=4)
    blocks: int = setting(1, "Residual blocks in each of the encoder's four stages", minimum=1, maximum=50)
    stem_stride: int = setting(2, "Stride of the encoder's first convolution", minimum=1, maximum=4)
    pooled: int = setting(4, "Cells along a side of what the last stage is averaged to; published 1", minimum=1)
    latent: int = setting(32, "Numbers in a latent code", minimum=1, maximum=4096)
    decoder_width: int = setting(128, "Width of the decoder's layers", minimum=8, maximum=2048)
    decoder_depth: int = setting(4, "Hidden layers of the decoder", minimum=1, maximum=16)
    degree: int = setting(3, "Frequencies of the decoder's positional encoding; 0: coordinates", minimum=0, maximum=10)
    steps: int = setting(6000, "Training steps", minimum=0, maximum=100_000_000, unit="steps")
    images: int = setting(16, "Images in a step, of as many shapes at most", minimum=1, maximum=10_000)
    points: int = setting(256, "Samples of a shape in a step, half of them inside", minimum=2, maximum=1_000_000)
    clamp: float = setting(0.06, "Distances count up to here", minimum=1e-4, maximum=10.0)
    clamp_both: bool = setting(False, "Clamp both distances wherever they are, as published")
    rate: float = setting(2e-3, "Learning rate of the decoder at the start", minimum=1e-7, maximum=1.0)
    encoder_rate: float = setting(1.0, "Learning rate of the encoder, as a share of that", minimum=1e-3, maximum=1e3)
    halving: int = setting(
        0, "Halve the rates whenever every shape was drawn so often; 0: a cosine", minimum=0, maximum=1_000_000
    )
    code_weight: float = setting(1e-4, "Weight of the codes' lengths", minimum=0.0, maximum=100.0)
    view_weight: float = setting(1e-2, "Weight of the camera that the encoder tells; 0: it tells none", minimum=0.0)
    refine_steps: int = setting(60, "Steps of a refinement", minimum=1, maximum=100_000, unit="steps")
    refine_rate: float = setting(2e-2, "Learning rate of a refinement", minimum=1e-7, maximum=10.0)
    refine_cells: int = setting(64, "Cells along the longest side of the box in a refinement", minimum=8, maximum=512)
    refine_image: int = setting(128, "Side of the silhouettes in a refinement", minimum=16, maximum=1024)
    refine_known: bool = setting(True, "Refine along the axes in which the trained shapes differ, in their deviations")
    refine_weight: float = setting(0.0, "Weight of the code's way from where it began", minimum=0.0, maximum=1e3)
    keep_every: int = setting(500, "Steps between two checkpoints", minimum=1, maximum=1_000_000, unit="steps")

    def __post_init__(self) -> None:
        if self.image <= HALVED * self.stem_stride:
            raise SettingError(
                f"an image of {self.image} pixels is less than 2 after an encoder whose stem has the stride "
                f"{self.stem_stride}; raise image above {HALVED * self.stem_stride}, or lower stem_stride"
            )

    @property
    def decoder(self) -> DeepSdfShape:
        """The form of the decoder."""
        return DeepSdfShape(self.latent, self.decoder_width, self.decoder_depth, None, self.degree, 0.0)


# What differs from ``fast``: MeshSDF's experiments with ShapeNet's chairs (Remelli et al., NeurIPS 2020, published
# specifications), 2001 epochs of 16 shapes a step.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fast": {},
    "paper": {
        "image": 224,
        "framed": False,
        "width": 64,
        "blocks": 3,
        "stem_stride": 1,
        "pooled": 1,
        "latent": 256,
        "decoder_width": 512,
        "decoder_depth": 5,
        "degree": 0,
        "points": 8192,
        "clamp": 0.1,
        "clamp_both": True,
        "rate": 5e-4,
        "encoder_rate": 2.0,
        "halving": 500,
        "view_weight": 0.0,
        "refine_steps": 100,
        "refine_rate": 5e-5,
        "refine_known": False,
        "refine_cells": 256,
        "refine_image": 224,
        "keep_every": 1000,
    },
}
PAPER_EPOCHS = 2001


def preset(name: str, shapes: int, changes: Mapping[str, Any] | None = None) -> SingleViewSettings:
    """The settings of a preset for so many shapes. Raises ``SettingError``."""
    if name not in PRESETS:
        raise SettingError(f"there is no preset {name!r} of single-view models; there are {', '.join(PRESETS)}")
    chosen = SingleViewSettings(**{**PRESETS[name], **(changes or {})})
    if name == "paper" and "steps" not in (changes or {}):
        return replace(chosen, steps=PAPER_EPOCHS * epoch(chosen, shapes))
    return chosen


def epoch(settings: SingleViewSettings, shapes: int) -> int:
    """Steps in which every one of so many shapes is drawn once."""
    return -(-shapes // min(settings.images, shapes))
