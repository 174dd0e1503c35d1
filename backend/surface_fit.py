"""A fit from a shape to a field: what the worker process and the command line both do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from backend.fields.distance_network import DistanceNetwork
from backend.geometry.shape import Shape
from backend.surfaces.dataset import Dataset
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.extraction import Counts, dataset_of, known_shape
from backend.surfaces.registry import get_surface_method, surface_methods, surface_spec
from backend.surfaces.surface_method import SurfaceMethod
from backend.training.checkpoints import Checkpoints
from backend.training.run import Run
from protocol.settings import SettingError, SettingValue


@dataclass(frozen=True)
class FitRequest:
    """How to fit."""

    method: str
    mode: str = "auto"  # signed, unsigned, or auto: signed where the shape has an inside
    preset: str = "fast"
    settings: Mapping[str, SettingValue] = field(default_factory=dict)  # changes to the preset


@dataclass(frozen=True, eq=False)
class Fitted:
    """A finished fit: the field, and what the report says of it (plain types)."""

    field: DistanceField
    data: Dataset
    report: dict[str, Any]


def fit_shape(shape: Shape | Dataset, request: FitRequest, run: Run, checkpoints: Checkpoints | None = None) -> Fitted:
    """Fits. Raises ``MeshError`` or ``SettingError`` with a message for the artist; previews of the run are fields."""
    method = get_surface_method(request.method)
    settings = method.settings_type(**surface_spec(method).resolve(request.preset, request.settings))
    torch.manual_seed(run.seed)
    started, started_cpu = time.monotonic(), time.process_time()
    with run.phase("preparing"):
        data, signed = _dataset(shape, request.mode, method, run)
    facts = {
        "method": method.name,
        "mode": "signed" if signed else "unsigned",
        "preset": request.preset,
        "settings": asdict(settings),
        "seed": run.seed,
    }

    def as_field(network: DistanceNetwork) -> DistanceField:
        level = method.level(signed, settings) * data.frame.length
        found = DistanceField(
            network, data.frame, data.low, data.high, signed, level, bounded=method.bounded, facts=facts
        )
        return found if method.bounded else found.measured()

    with _previews_of_fields(run, as_field):
        network = method.fit(data, signed, settings, run, checkpoints)
    if run.facts.get("training_steps") == 0 < settings.steps:
        run.warn("the time was over before the training began, so the surface is a guess; give it more time")
    seconds = {"seconds": time.monotonic() - started, "cpu_seconds": time.process_time() - started_cpu}
    phases = {name: {"seconds": wall, "cpu_seconds": cpu} for name, (wall, cpu) in run.phase_seconds.items()}
    told = {"warnings": list(run.warnings), "said": list(run.said), "phases": phases}
    return Fitted(as_field(network.at_rest()), data, facts | seconds | told | run.facts)


def _dataset(shape: Shape | Dataset, mode: str, method: SurfaceMethod, run: Run) -> tuple[Dataset, bool]:
    """The points to train on, and whether the field will be signed."""
    if isinstance(shape, Dataset):
        kinds = [kind for kind, needed in method.needs.items() if needed == shape.mode and mode in ("auto", kind)]
        if shape.mode == "dist" and "signed" in kinds and not (shape.arrays["distances"] < 0.0).any():
            kinds.remove("signed")
            if mode == "signed":
                raise SettingError("no distance of the dataset is negative, so there is no inside; ask for unsigned")
        if kinds:
            return shape, kinds[0] == "signed"
        wanted = " or ".join(sorted(set(method.needs.values())))
        asked = "" if mode == "auto" else f" for a {mode} field"
        raise SettingError(f"{method.name} trains on a dataset of mode {wanted}{asked}, and this one is {shape.mode}")
    known = known_shape(shape, run)
    kind = ("signed" if known.signed else "unsigned") if mode == "auto" else mode
    if kind == "signed" and not known.signed:
        raise SettingError(
            "the shape has no inside (open curves or sheets), so its field cannot be signed; ask for --mode unsigned"
        )
    if kind not in method.needs:
        able = " or ".join(name for name in ("signed", "unsigned") if name in method.needs)
        others = " or ".join(one.name for one in surface_methods().values() if kind in one.needs)
        reason = "" if known.signed else ", and the shape has no inside"
        remedy = f", or --mode {able}" if known.signed else ""
        raise SettingError(f"{method.name} makes {able} fields only{reason}; choose {others}{remedy}")
    if kind == "unsigned":
        known = known.without_inside()
    counts = Counts(test=0)  # measured against the shape itself
    return dataset_of(known, shape, method.needs[kind], run, counts), kind == "signed"


@contextmanager
def _previews_of_fields(run: Run, as_field: Callable[[DistanceNetwork], DistanceField]) -> Iterator[None]:
    """Within, what a method shows, a network, is passed on as a field."""
    outer = run.on_preview
    if outer is not None:
        run.on_preview = lambda network: outer(as_field(network))
    try:
        yield
    finally:
        run.on_preview = outer
