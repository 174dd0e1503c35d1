"""Whether a morph keeps the source's faces or makes a surface of its own in every frame, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.geometry.metrics import topology
from backend.geometry.repair import WorkingMesh
from backend.methods.method import Pair


@dataclass(frozen=True)
class Choice:
    """``keep`` or ``remesh``, and the reason in words for the report."""

    topology: str
    reason: str


def choose(request_topology: str, pair: Pair, method_topologies: Sequence[str]) -> Choice:
    """What was asked for, or with ``auto`` what the pair needs of what the method can make."""
    if request_topology != "auto":
        return Choice(request_topology, "it was asked for")
    if len(method_topologies) == 1:
        return Choice(method_topologies[0], "the method makes no other")
    if pair.correspondence is None:
        return Choice("remesh", "no match between the meshes is known")
    if _shape(pair.source_surface) != _shape(pair.target_surface):
        return Choice("remesh", "source and target differ in their parts, holes or handles")
    return Choice("keep", "source and target have the same parts, holes and handles")


def _shape(surface: WorkingMesh) -> tuple[object, ...]:
    found = topology(len(surface.positions), surface.triangles)
    return found["closed"], found["components"], found["genus"]
