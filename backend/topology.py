"""Whether a morph keeps the source's faces or makes a surface of its own in every frame, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.correspondence.coverage import uncovered_share
from backend.correspondence.landing import Landing
from backend.geometry.edges import edges_of
from backend.geometry.isosurface import without_fragments
from backend.geometry.metrics import topology
from backend.geometry.repair import WorkingMesh
from backend.geometry.triangles import areas
from backend.methods.method import Pair
from protocol.settings import SettingError

MISSED = 0.03  # share of the target's area that may be without a counterpart
HOMELESS = 0.2  # share of the source's area that may have no place on a closed target
CRUMB = 0.005  # share of the area under which a part says nothing of the shape
ONLY = {
    "keep": "the method always keeps the source's faces",
    "remesh": "the method makes a surface of its own in every frame",
}


@dataclass(frozen=True)
class Choice:
    """``keep`` or ``remesh``, and the reason in words for the report."""

    topology: str
    reason: str


def choose(asked: str, pair: Pair, topologies: Sequence[str]) -> Choice:
    """What was asked for, or with ``auto`` what the pair needs of what the method can make (``topologies``)."""
    if asked != "auto":
        if asked not in topologies:
            raise SettingError(f"this method cannot make topology {asked!r}; ask for {' or '.join(topologies)} or auto")
        return Choice(asked, "it was asked for")
    if len(topologies) == 1:
        return Choice(topologies[0], ONLY[topologies[0]])
    if pair.landing is None or pair.correspondence is None:
        return Choice("remesh", "it is not known which point of the source goes where on the target")
    source, target = pair.source_surface, pair.target_surface
    if pair.correspondence.way == "vertex-order" and pair.source.same_faces(pair.target):
        return Choice("keep", "both meshes have the same faces")
    closed = [edges_of(surface.triangles).closed for surface in (source, target)]
    if all(closed) and (difference := _difference(source, target)):
        return Choice("remesh", difference)
    if misfit := _misfit(source, target, pair.landing, closed[0], closed[1]):
        return Choice("remesh", misfit)
    if not closed[1]:
        return Choice("keep", "the target is open, but all of it lies on the source, whose faces stay")
    return Choice("keep", "the source fits on the whole target with its own faces")


def _difference(source: WorkingMesh, target: WorkingMesh) -> str | None:
    """How two closed shapes differ in parts and holes, if they do."""
    shapes = [
        topology(len(positions), triangles)
        for positions, triangles in (without_fragments(s.positions, s.triangles, CRUMB) for s in (source, target))
    ]
    ours, theirs = (int(shape["components"]) for shape in shapes)
    if ours != theirs:
        return f"the source is {_pieces(ours)} and the target {_pieces(theirs)}"
    mine, other = (round(shape["genus"]) for shape in shapes)
    if mine == other:
        return None
    if mine and other:
        return f"the source has {_holes(mine)} and the target {_holes(other)}"
    if mine:
        return f"the source has {_holes(mine)} and the target has none"
    return f"the target has {_holes(other)} and the source has none"


def _pieces(count: int) -> str:
    return "one piece" if count == 1 else f"in {count} pieces"


def _holes(genus: int) -> str:
    return f"{'a hole' if genus == 1 else f'{genus} holes'} through it (genus {genus})"


def _misfit(
    source: WorkingMesh, target: WorkingMesh, landing: Landing, source_closed: bool, target_closed: bool
) -> str | None:
    """What of either surface has no counterpart on the other although it should, if there is much of it."""
    missed = uncovered_share(target, landing.positions, source.triangles)
    if missed > MISSED:
        why = "the source is open there" if target_closed and not source_closed else "the source has nothing there"
        return f"the source's faces would miss {missed:.0%} of the target's surface: {why}"
    area = areas(source.positions, source.triangles)
    homeless = float(area[~landing.on_surface[source.triangles].all(axis=1)].sum() / area.sum())
    # An open target is often a scan of which parts are missing; a closed one is the whole shape.
    if target_closed and homeless > HOMELESS:
        return f"{homeless:.0%} of the source's surface has no place on the target, which is closed"
    return None
