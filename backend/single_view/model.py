"""``SingleViewModel``: a trained encoder and decoder with the frame they work in, and its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend import data
from backend.fact_file import fact_file, parse_fact_file, put_in_place, undamaged
from backend.geometry.arrays import Float64
from backend.methods.state import load_weights, weights_of
from backend.single_view.network import SingleViewNetwork
from backend.single_view.settings import SingleViewSettings
from backend.training.checkpoints import load_state_of

FORMAT = "tweenfield-single-view-1"
SHIPPED = Path(data.__file__).parent / "single_view_chairs.safetensors"


@dataclass(frozen=True, eq=False)
class SingleViewModel:
    """Networks, and what is known of the shapes they were trained on; ``facts`` are of plain types."""

    network: SingleViewNetwork
    names: tuple[str, ...]  # of the K shapes it was trained on
    held_out: tuple[str, ...]  # of shapes that it was not to see
    low: Float64  # [3], frame of the dataset: box of all shapes
    high: Float64  # [3]
    up: str  # axis that pointed upwards in the meshes before they came into that frame, where it is y
    codes: Float64  # [K, latent], of the trained shapes, means over their images; [0, latent] before the training
    preset: str = "fast"
    seed: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def begun(
        settings: SingleViewSettings,
        names: Sequence[str],
        held_out: Sequence[str],
        box: tuple[Float64, Float64],
        *,
        up: str = "y",
        preset: str = "fast",
        seed: int = 0,
    ) -> SingleViewModel:
        """A model that is not trained yet."""
        network = SingleViewNetwork(settings)
        network.start_(seed)
        none = np.zeros((0, settings.latent))
        return SingleViewModel(network, tuple(names), tuple(held_out), *box, up, none, preset, seed)

    @property
    def settings(self) -> SingleViewSettings:
        return self.network.settings

    @property
    def device(self) -> torch.device:
        return self.network.encoder.code.weight.device

    def to_bytes(self) -> bytes:
        """As a safetensors file: nothing in it can execute."""
        facts = {
            "settings": asdict(self.settings),
            "names": list(self.names),
            "held_out": list(self.held_out),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "up": self.up,
            "preset": self.preset,
            "seed": self.seed,
            "facts": dict(self.facts),
        }
        arrays = weights_of("network", self.network) | {"codes": self.codes.astype(np.float32)}
        return fact_file(FORMAT, arrays, facts)


def write_model(path: Path, model: SingleViewModel) -> None:
    """Writes the file; it is never seen half written."""
    put_in_place(path, model.to_bytes())


def read_model(path: Path, checkpoint: str | None = None) -> SingleViewModel:
    """The model of a file at rest, or with the weights that one of its checkpoints (a step, or ``latest``) has.

    Raises ``SettingError`` for any other file, ``OSError`` where there is none.
    """
    model = model_of(path.read_bytes(), str(path))
    load_state_of(path, checkpoint, model.network)
    return model


def shipped_model() -> SingleViewModel:
    """The one that comes with the program."""
    return read_model(SHIPPED)


def model_of(content: bytes, name: str) -> SingleViewModel:
    """The model in the bytes of a file; ``name`` is what errors call it. Raises ``SettingError`` for any others."""
    tensors, plain = parse_fact_file(content, FORMAT, f"{name}: not a model of `single-view train`")
    with undamaged(f"{name}: a damaged model"):
        network = SingleViewNetwork(SingleViewSettings(**plain["settings"]))
        load_weights("network", network, {key: array.astype(np.float32) for key, array in tensors.items()})
        network.requires_grad_(False).eval()
        return SingleViewModel(
            network,
            tuple(plain["names"]),
            tuple(plain["held_out"]),
            np.array(plain["low"], np.float64),
            np.array(plain["high"], np.float64),
            plain["up"],
            tensors["codes"].astype(np.float64),
            plain["preset"],
            plain["seed"],
            plain["facts"],
        )
