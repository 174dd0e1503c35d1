"""A trained morph as the bytes of a safetensors file: everything ``bake`` needs, and nothing that can execute."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

import backend
from backend.methods.method import Morph
from backend.methods.registry import get
from backend.pipeline import Trained
from protocol.mesh import MeshData
from protocol.messages import MorphRequest
from protocol.settings import SettingError

FORMAT = "tweenfield-morph-1"


def morph_to_bytes(trained: Trained, request: MorphRequest) -> bytes:
    """The file's bytes: the source mesh, the method's own state, and the settings it was trained with."""
    arrays, values = trained.morph.state()
    source = trained.morph.source
    tensors: dict[str, NDArray[Any]] = {f"morph.{name}": array for name, array in arrays.items()}
    tensors |= {
        "source.vertices": source.vertices,
        "source.face_offsets": source.face_offsets,
        "source.face_indices": source.face_indices,
        "source.origin": source.origin,
    }
    tensors |= {f"source.attribute.{name}": np.asarray(array) for name, array in source.attributes.items()}
    facts = {
        "format": FORMAT,
        "method": get(request.method).name,
        "preset": request.preset,
        "settings": trained.report["settings"],
        "seed": request.seed,
        "scale": source.scale,
        "time_steps": trained.morph.time_steps,
        "values": values,
        "version": backend.__version__,
    }
    # One entry only: the library writes several in no fixed order.
    metadata = {"tweenfield": json.dumps(facts, sort_keys=True)}
    return save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, metadata)


def morph_from_bytes(data: bytes) -> tuple[Morph, dict[str, Any]]:
    """The morph and its facts. Raises ``SettingError`` for bytes that are not a Tweenfield morph."""
    try:
        tensors = load(data)
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, ValueError) as error:
        raise SettingError(f"not a Tweenfield morph (no readable safetensors file: {error})") from error
    facts: dict[str, Any] = json.loads(metadata.get("tweenfield", "{}"))
    if facts.get("format") != FORMAT:
        raise SettingError(f"not a Tweenfield morph of this version (its format is {facts.get('format')!r})")
    prefix = "source.attribute."
    source = MeshData(
        vertices=tensors["source.vertices"],
        face_offsets=tensors["source.face_offsets"],
        face_indices=tensors["source.face_indices"],
        origin=tensors["source.origin"],
        scale=facts["scale"],
        attributes={name[len(prefix) :]: array for name, array in tensors.items() if name.startswith(prefix)},
    )
    arrays = {name[len("morph.") :]: array for name, array in tensors.items() if name.startswith("morph.")}
    return get(facts["method"]).restore(source, arrays, facts["values"]), facts
