"""``DecoderModel``: a trained decoder with the shapes that it knows and their frames, and its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend.fact_file import fact_file, parse_fact_file, put_in_place, undamaged
from backend.fields.evaluate import evaluated
from backend.geometry.arrays import Float64
from backend.geometry.shape import UnitFrame
from backend.methods.state import load_weights, weights_of
from backend.surfaces.mesh_sdf.decoder import Decoder
from backend.surfaces.mesh_sdf.settings import DecoderSettings

FORMAT = "tweenfield-decoder-1"


@dataclass(frozen=True, eq=False)
class DecoderModel:
    """Network and codes; ``facts`` is what is known of the training, of plain types."""

    decoder: Decoder
    names: tuple[str, ...]  # of the K shapes it was trained on, in the order of the codes
    frames: tuple[UnitFrame, ...]  # of each: where in object space it was
    preset: str = "fast"
    seed: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def begun(
        settings: DecoderSettings,
        names: Sequence[str],
        frames: Sequence[UnitFrame],
        *,
        preset: str = "fast",
        seed: int = 0,
    ) -> DecoderModel:
        """A model that is not trained yet."""
        decoder = Decoder(settings, len(names))
        decoder.start_(seed)
        return DecoderModel(decoder, tuple(names), tuple(frames), preset, seed)

    @property
    def codes(self) -> Float64:
        """[K, C] of the shapes it was trained on."""
        return self.decoder.codes.detach().cpu().numpy().astype(np.float64)

    def values_at(self, code: torch.Tensor) -> Callable[[Float64], Float64]:
        """Distances [N] of a code [C] at points [N, 3], all in the frame of the decoder."""
        given = code.detach()
        network = self.decoder.network
        return lambda points: evaluated(lambda part, _: network(part, given), points, 0.0, device=given.device)

    def to_bytes(self) -> bytes:
        """As a safetensors file: nothing in it can execute. The codes are rows of ``decoder.codes``."""
        facts = {
            "settings": asdict(self.decoder.settings),
            "names": list(self.names),
            "centres": [frame.centre.tolist() for frame in self.frames],
            "lengths": [frame.length for frame in self.frames],
            "preset": self.preset,
            "seed": self.seed,
            "facts": dict(self.facts),
        }
        return fact_file(FORMAT, weights_of("decoder", self.decoder), facts)


def write_decoder(path: Path, model: DecoderModel) -> None:
    """Writes the file; it is never seen half written."""
    put_in_place(path, model.to_bytes())


def read_decoder(path: Path) -> DecoderModel:
    """The model of a file, at rest. Raises ``SettingError`` for any other file, ``OSError`` where there is none."""
    what = f"{path}: not a decoder of `deep-sdf train`, the decoder.safetensors in its folder"
    tensors, plain = parse_fact_file(path.read_bytes(), FORMAT, what)
    with undamaged(f"{path}: a damaged decoder"):
        decoder = Decoder(DecoderSettings(**plain["settings"]), len(plain["names"]))
        load_weights("decoder", decoder, tensors)
        decoder.eval().requires_grad_(False)
        frames = [
            UnitFrame(np.array(centre), length)
            for centre, length in zip(plain["centres"], plain["lengths"], strict=True)
        ]
        return DecoderModel(
            decoder, tuple(plain["names"]), tuple(frames), plain["preset"], plain["seed"], plain["facts"]
        )
