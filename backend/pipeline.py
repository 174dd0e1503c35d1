"""A job from request to frames. The worker process and the command line both run jobs through here."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

import backend
from backend.correspondence.correspondence import CorrespondenceError
from backend.correspondence.landing import Landing
from backend.correspondence.table import check_pairs
from backend.correspondence.vertex_order import from_vertex_order
from backend.geometry.repair import beside, working_mesh, working_pair
from backend.memory import peak_memory, reset_peak_memory
from backend.methods.method import Method, Morph, Pair
from backend.methods.registry import get, methods, spec, specs
from backend.methods.targets import landed, landing_on
from backend.pairing import correspondence_of, in_order, on_surfaces, way_of
from backend.timeline import times_of
from backend.topology import choose
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.messages import MorphRequest, Timeline
from protocol.settings import SettingError


@dataclass(frozen=True, eq=False)
class Trained:
    """A finished training: the morph, and what the report says of how it was made (plain types)."""

    morph: Morph
    report: dict[str, Any]


@dataclass(frozen=True, eq=False)
class BakedFrame:
    """One frame: its morph time in 0..1, the mesh, and the carried objects at that time."""

    time: float
    mesh: MeshData
    carried: tuple[MeshData, ...]


def prepare(request: MorphRequest, run: Run) -> Pair:
    """Checks and repairs both meshes and settles their correspondence.

    Raises ``MeshError`` or ``CorrespondenceError`` with a message for the artist; repairs are warnings of the run.
    """
    source_surface, target_surface = working_pair(request.source, request.target)
    for message in (*source_surface.warnings, *target_surface.warnings):
        run.warn(message)
    found = correspondence_of(request, source_surface, target_surface, run)
    by_order = in_order(way_of(request.correspondence), request)
    end = request.target.positions() if by_order else None
    return Pair(request.source, request.target, source_surface, target_surface, found, end)


def train(request: MorphRequest, run: Run) -> Trained:
    """Prepares the pair and trains the requested method. Raises what ``prepare`` raises, and ``SettingError``."""
    started, started_cpu = time.monotonic(), time.process_time()
    reset_peak_memory()
    method = get(request.method)
    values = spec(method).resolve(request.preset, request.settings)
    _check_wishes(request, method)
    torch.manual_seed(run.seed)
    with run.phase("preparing"):
        pair = landed(prepare(request, run), run)
        pair = replace(pair, stops=_stops(request, pair, run))
        choice = choose(request.topology, pair, method.topologies)
        pair = replace(pair, topology=choice.topology)
    morph = method.fit(pair, method.settings_type(**values), run)
    report: dict[str, Any] = {
        "method": method.name,
        "preset": request.preset,
        "settings": values,
        "seed": run.seed,
        "correspondence": None if pair.correspondence is None else pair.correspondence.way,
        "topology": choice.topology,
        "topology_reason": choice.reason,
        "stops": len(pair.stops),
        "device": str(run.device),
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "seconds": time.monotonic() - started,
        "cpu_seconds": time.process_time() - started_cpu,
        "phases": {name: {"seconds": wall, "cpu_seconds": cpu} for name, (wall, cpu) in run.phase_seconds.items()},
        "peak_memory_bytes": peak_memory(),
        **run.facts,
        "said": list(run.said),
        "warnings": list(run.warnings),
    }
    return Trained(morph, report)


def bake(
    morph: Morph,
    timeline: Timeline,
    carry: tuple[MeshData, ...] = (),
    check: Callable[[], None] = lambda: None,
) -> Iterator[BakedFrame]:
    """The frames of a timeline, one at a time; ``check`` is called before each and may raise to stop."""
    morph = morph.at_resolution(timeline.resolution, largest_part=timeline.largest_part)
    times = times_of(timeline, morph).tolist()
    riding = [morph.carries(mesh.positions(), times) for mesh in carry]
    for t, mesh in zip(times, morph.frames(times), strict=True):
        check()
        points = [next(stream) for stream in riding]
        carried = carry if t == 0.0 else tuple(m.with_positions(p) for m, p in zip(carry, points, strict=True))
        yield BakedFrame(t, mesh, carried)


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {
        "tweenfield": backend.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "platform": f"{sys.platform} {platform.machine()}",
    }


def _check_wishes(request: MorphRequest, method: Method) -> None:
    """Whether the method can do what is asked of it beyond its settings."""
    spec(method).check_topology(request.topology, specs())
    if request.stops and not method.passes_stops:
        able = " or ".join(name for name, other in methods().items() if other.passes_stops)
        raise SettingError(
            f"method {method.name} knows no poses between source and target; leave them out (--through), or choose "
            f"method {able}"
        )


def _stops(request: MorphRequest, pair: Pair, run: Run) -> tuple[Landing, ...]:
    """The source surface posed on every stop."""
    if request.stops and pair.correspondence is None:
        raise CorrespondenceError(
            "a motion through poses (--through) needs to know which point of the source goes where on the target; give "
            "landmarks or a table of vertex pairs, or leave the poses out"
        )
    found = []
    for number, stop in enumerate(request.stops, 1):
        role = f"stop {number}"
        surface = working_mesh(stop.mesh, role)
        for message in surface.warnings:
            run.warn(message)
        if stop.pairs is None:
            match = from_vertex_order(request.source, stop.mesh, role, "--through-tables on the command line")
        else:
            counts = request.source.n_vertices, stop.mesh.n_vertices
            match = check_pairs(stop.pairs, stop.weights, *counts, f"table of {role}")
        there = on_surfaces(match, pair.source_surface, surface)
        found.append(landing_on(pair.source_surface, beside(pair.source_surface, surface), there, run, role))
    return tuple(found)
