"""A trained morph as the bytes of a safetensors file: everything ``bake`` needs, and nothing that can execute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.fact_file import fact_file, format_of, parse_fact_file
from backend.guidance.guided_morph import GuidedMorph
from backend.guidance.layer import Layer
from backend.methods.mesh_state import mesh_arrays, mesh_from_arrays
from backend.methods.method import Morph
from backend.methods.registry import get
from backend.methods.state import named, under
from backend.pipeline import Trained
from protocol.messages import MorphRequest
from protocol.settings import SettingError

FORMAT = "tweenfield-morph-1"
GUIDED = "tweenfield-morph-2"  # with layers, without which an older reader would show another motion
WRONG = "not a Tweenfield morph of this version"


def morph_to_bytes(trained: Trained, request: MorphRequest) -> bytes:
    """The file's bytes: the source mesh, the method's own state, and the settings it was trained with."""
    facts = {
        "method": get(request.method).name,
        "preset": request.preset,
        "settings": trained.report["settings"],
        "seed": request.seed,
        "topology": trained.report["topology"],
    }
    return refined_to_bytes(trained.morph, facts)


def refined_to_bytes(morph: Morph, facts: Mapping[str, Any]) -> bytes:
    """The bytes of a morph that was made from the one that ``morph_from_bytes`` gave with ``facts``."""
    arrays, values = morph.state()
    source, source_values = mesh_arrays(morph.source)
    tensors = named("morph", arrays) | named("source", source)
    kept = {name: value for name, value in facts.items() if name not in ("format", "version", "layers")}
    about = {**kept, **source_values, "time_steps": morph.time_steps, "values": values}
    if not isinstance(morph, GuidedMorph):
        return fact_file(FORMAT, tensors, about)
    about["layers"] = []
    for number, layer in enumerate(morph.layers):
        arrays, values = layer.state()
        tensors |= named(f"layer{number}", arrays)
        about["layers"].append(values)
    return fact_file(GUIDED, tensors, about)


def morph_from_bytes(data: bytes) -> tuple[Morph, dict[str, Any]]:
    """The morph and its facts. Raises ``SettingError`` for bytes that are not a Tweenfield morph."""
    guided = format_of(data) == GUIDED
    tensors, facts = parse_fact_file(data, GUIDED if guided else FORMAT, WRONG)
    try:
        source = mesh_from_arrays(under("source", tensors), facts)
        morph = get(facts["method"]).restore(source, under("morph", tensors), facts["values"])
        if guided:
            every = enumerate(facts["layers"])
            morph = GuidedMorph(morph, [Layer.restored(under(f"layer{k}", tensors), values) for k, values in every])
        return morph, facts
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise SettingError(f"a damaged Tweenfield morph, or one of another version ({error!r})") from error
