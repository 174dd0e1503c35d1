"""A trained morph as the bytes of a safetensors file: everything ``bake`` needs, and nothing that can execute."""

from __future__ import annotations

from typing import Any

from backend.fact_file import fact_file, parse_fact_file
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
        "method": get(request.method).name,
        "preset": request.preset,
        "settings": trained.report["settings"],
        "seed": request.seed,
        "topology": trained.report["topology"],
        **source_values,
        "time_steps": trained.morph.time_steps,
        "values": values,
    }
    return fact_file(FORMAT, tensors, facts)


def morph_from_bytes(data: bytes) -> tuple[Morph, dict[str, Any]]:
    """The morph and its facts. Raises ``SettingError`` for bytes that are not a Tweenfield morph."""
    tensors, facts = parse_fact_file(data, FORMAT, "not a Tweenfield morph of this version")
    try:
        source = mesh_from_arrays(under("source", tensors), facts)
        return get(facts["method"]).restore(source, under("morph", tensors), facts["values"]), facts
    except (KeyError, IndexError, TypeError) as error:
        raise SettingError(f"a damaged Tweenfield morph, or one of another version ({error!r})") from error
