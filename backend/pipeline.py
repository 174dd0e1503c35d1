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
from backend.correspondence.correspondence import Correspondence, CorrespondenceError
from backend.correspondence.landing import Landing
from backend.correspondence.table import check_pairs
from backend.correspondence.vertex_order import from_vertex_order
from backend.geometry.repair import WorkingMesh, beside, working_mesh, working_pair
from backend.memory import peak_memory, reset_peak_memory
from backend.methods.method import Method, Morph, Pair
from backend.methods.registry import get, methods, spec, specs
from backend.methods.targets import landed, landing_on
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


def prepare(request: MorphRequest, warn: Callable[[str], None]) -> Pair:
    """Checks and repairs both meshes and settles their correspondence.

    Raises ``MeshError`` or ``CorrespondenceError`` with a message for the artist; repairs go to ``warn``.
    """
    source_surface, target_surface = working_pair(request.source, request.target)
    for message in (*source_surface.warnings, *target_surface.warnings):
        warn(message)
    found = _correspondence(request)
    on_surfaces = None if found is None else _on_surfaces(found, source_surface, target_surface)
    by_order = found is not None and found.way == "vertex-order"
    end = request.target.positions() if by_order else None
    return Pair(request.source, request.target, source_surface, target_surface, on_surfaces, end)


def train(request: MorphRequest, run: Run) -> Trained:
    """Prepares the pair and trains the requested method. Raises what ``prepare`` raises, and ``SettingError``."""
    started, started_cpu = time.monotonic(), time.process_time()
    reset_peak_memory()
    method = get(request.method)
    values = spec(method).resolve(request.preset, request.settings)
    _check_wishes(request, method)
    torch.manual_seed(run.seed)
    with run.phase("preparing"):
        pair = landed(prepare(request, run.warn), run)
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
            "a table of vertex pairs, or leave the poses out"
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
        on_surfaces = _on_surfaces(match, pair.source_surface, surface)
        found.append(landing_on(pair.source_surface, beside(pair.source_surface, surface), on_surfaces, run, role))
    return tuple(found)


def _correspondence(request: MorphRequest) -> Correspondence | None:
    way = request.correspondence.replace("_", "-")
    if way == "table":
        if request.pairs is None:
            raise CorrespondenceError("the correspondence is a table, but no table was given")
        return check_pairs(request.pairs, request.weights, request.source.n_vertices, request.target.n_vertices)
    if way == "vertex-order":
        return from_vertex_order(request.source, request.target)
    if way != "auto":
        raise CorrespondenceError(f"correspondence is {way!r}; it must be auto, vertex-order or table")
    if request.source.same_faces(request.target):
        return from_vertex_order(request.source, request.target)
    method = get(request.method)
    remeshes = "remesh" in method.topologies
    if method.needs_correspondence and (request.topology == "keep" or not remeshes):
        raise CorrespondenceError(
            f"the meshes do not share their vertex order (source: {request.source.n_vertices} vertices, "
            f"{request.source.n_faces} faces; target: {request.target.n_vertices} vertices, "
            f"{request.target.n_faces} faces), so it is not known which point goes where. Give a table of vertex "
            "pairs (Match: Table in Blender, --correspondence FILE on the command line), or vertex-order if the "
            "numbers do match." + (" Topology remesh (--topology remesh) needs neither." if remeshes else "")
        )
    return None


def _on_surfaces(found: Correspondence, source: WorkingMesh, target: WorkingMesh) -> Correspondence:
    """The pairs in the vertex numbers of the two surfaces; pairs of vertices that are on neither are dropped."""
    a, b = source.vertex_map[found.source], target.vertex_map[found.target]
    both = (a >= 0) & (b >= 0)
    if not both.any():
        raise CorrespondenceError("no pair of the correspondence lies on faces of both meshes; give pairs that do")
    # Vertices that were welded bring the same pair several times.
    pairs, first = np.unique(np.stack([a[both], b[both]], axis=1), axis=0, return_index=True)
    return replace(found, source=pairs[:, 0], target=pairs[:, 1], weights=found.weights[both][first])
