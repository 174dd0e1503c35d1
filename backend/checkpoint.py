"""A trained morph as the bytes of a safetensors file: everything ``bake`` needs, and nothing that can execute."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

import backend
from backend.methods.mesh_state import mesh_arrays, mesh_from_arrays
from backend.methods.method import Morph
from backend.methods.registry import get
from backend.methods.state import named, under
from backend.pipeline import Trained
from protocol.messages import MorphRequest
from protocol.settings import SettingError

FORMAT = "tweenfield-morph-1"


def morph_to_bytes(trained: Trained, request: MorphRequest) -> bytes:
    """The file's bytes: the source mesh, the method's own state, and the settings it was trained with."""
    arrays, values = trained.morph.state()
    source, source_values = mesh_arrays(trained.morph.source)
    tensors = named("morph", arrays) | named("source", source)
    facts = {
        "format": FORMAT,
        "method": get(request.method).name,
        "preset": request.preset,
        "settings": trained.report["settings"],
        "seed": request.seed,
        "topology": trained.report["topology"],
        **source_values,
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
    try:
        source = mesh_from_arrays(under("source", tensors), facts)
        return get(facts["method"]).restore(source, under("morph", tensors), facts["values"]), facts
    except (KeyError, IndexError, TypeError) as error:
        raise SettingError(f"a damaged Tweenfield morph, or one of another version ({error!r})") from error
