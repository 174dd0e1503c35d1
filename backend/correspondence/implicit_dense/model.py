"""A trained model as a safetensors file: the networks, what they were trained on and how far."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend.correspondence.implicit_dense.networks import DenseNetworks, Widths
from backend.correspondence.implicit_dense.settings import DenseSettings, Stage, Weights
from backend.correspondence.implicit_dense.stages import Position
from backend.fact_file import fact_file, parse_fact_file, put_in_place
from backend.geometry.repair import WorkingMesh
from protocol.settings import SettingError

FORMAT = "tweenfield-dense-1"


@dataclass(frozen=True, eq=False)
class DenseModel:
    """Networks and their history."""

    networks: DenseNetworks
    settings: DenseSettings
    names: tuple[str, ...]  # meshes it was trained on
    at: Position = field(default_factory=Position)
    seed: int = 0
    seconds: float | None = None  # that the whole training may take
    aligned: bool = False  # whether shapes are turned like ``reference``; otherwise they lie as they are
    reference: WorkingMesh | None = None

    @property
    def finished(self) -> bool:
        return self.at.finished(self.settings)


def write_model(path: Path, model: DenseModel) -> None:
    """Writes the file; it is never seen half written."""
    tensors = {f"networks.{key}": value.detach().cpu().numpy() for key, value in model.networks.state_dict().items()}
    if model.reference is not None:
        tensors["reference.positions"] = model.reference.positions.astype(np.float32)
        tensors["reference.triangles"] = model.reference.triangles.astype(np.int32)
    facts = {
        "settings": asdict(model.settings),
        "names": list(model.names),
        "at": asdict(model.at),
        "seed": model.seed,
        "seconds": model.seconds,
        "aligned": model.aligned,
    }
    put_in_place(path, fact_file(FORMAT, tensors, facts))


def read_model(path: Path) -> DenseModel:
    """The model of a file. Raises ``SettingError`` for any other file."""
    return model_of(path.read_bytes(), str(path))


def model_of(data: bytes, name: str) -> DenseModel:
    """The model of a file's bytes; ``name`` is what errors call it. Raises ``SettingError`` for any other bytes."""
    tensors, facts = parse_fact_file(data, FORMAT, f"{name}: not a model of `correspond-train`")
    try:
        settings = _settings(facts["settings"])
        networks = DenseNetworks(settings.widths)
        state = {key.removeprefix("networks."): value for key, value in tensors.items() if key.startswith("networks.")}
        networks.load_state_dict({key: torch.from_numpy(value.copy()) for key, value in state.items()})
        at = Position(**(facts["at"] | {"losses": tuple(facts["at"]["losses"])}))
        history = {key: facts[key] for key in ("seed", "seconds", "aligned")}
        return DenseModel(networks, settings, tuple(facts["names"]), at, **history, reference=_reference(tensors))
    except (KeyError, TypeError, RuntimeError) as error:
        raise SettingError(f"{name}: a damaged model, or one of another version ({error!r})") from error


def _reference(tensors: dict[str, Any]) -> WorkingMesh | None:
    if "reference.positions" not in tensors:
        return None
    positions = tensors["reference.positions"].astype(np.float64)
    triangles = tensors["reference.triangles"].astype(np.int64)
    return WorkingMesh(positions, triangles, np.arange(len(positions)), ())


def _settings(facts: dict[str, Any]) -> DenseSettings:
    def tuples(values: dict[str, Any]) -> dict[str, Any]:
        return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}

    return DenseSettings(
        **tuples(facts)
        | {
            "widths": Widths(**tuples(facts["widths"])),
            "weights": Weights(**facts["weights"]),
            "stages": tuple(Stage(**stage) for stage in facts["stages"]),
        }
    )
