"""``match``: one way of matching two surfaces or the choice among them, with what the artist should know of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from backend.correspondence.correspondence import CorrespondenceError
from backend.correspondence.dense_map import DenseMap
from backend.correspondence.registration import register_landmarks, register_map
from backend.correspondence.spectral import CLOSE, SpectralMatch, spectral_match
from backend.geometry.arrays import Int64
from backend.geometry.repair import WorkingMesh
from backend.training.run import Run
from protocol.messages import NO_MATCH

WAYS = ("auto", "vertex-order", "landmarks", "spectral", "nonrigid", "implicit-dense")
ACCEPTED = 0.25  # energy of a spectral map up to which the shapes are nearly the same but for their pose
WHOLE = 0.7  # share of a shape that its largest part needs for the match of that part to be one of the shape
FEWEST = 3  # landmarks that fix a similarity
LEAST = 0.01  # trust that a doubtful vertex keeps in the registration
DOUBTED = 0.5  # of the trust is left where a close second map leads elsewhere


@dataclass(frozen=True, eq=False)
class Matched:
    """A dense map and how it came about; way ``NO_MATCH`` where nothing trustworthy was found."""

    map: DenseMap
    way: str
    said: tuple[str, ...] = ()
    facts: dict[str, float | int | str | None] = field(default_factory=dict)


def match(
    source: WorkingMesh,
    target: WorkingMesh,
    way: str,
    landmarks: Int64,  # [L, 2], vertices of the two surfaces
    run: Run,
    model: Path | bytes | None = None,  # for implicit-dense: a file or what is in it
) -> Matched:
    """Matches two surfaces. Raises ``CorrespondenceError`` where the way asked for cannot."""
    way = way.replace("_", "-")
    with run.phase("matching"):
        if way == "vertex-order":
            return Matched(_by_order(source, target), way)
        if way in ("landmarks", "nonrigid"):
            return Matched(_by_landmarks(source, target, landmarks, run), "nonrigid")
        if way == "implicit-dense":
            if len(landmarks):
                run.warn("the landmarks are not used: implicit-dense goes by its model alone")
            from backend.correspondence.implicit_dense.mapping import mapped

            return Matched(mapped(source, target, model, run), way)
        if way not in ("auto", "spectral"):
            raise CorrespondenceError(f"correspondence is {way!r}; it must be one of {', '.join(WAYS)}")
        return _automatic(source, target, landmarks, run, spectral_only=way == "spectral")


def _automatic(source: WorkingMesh, target: WorkingMesh, landmarks: Int64, run: Run, *, spectral_only: bool) -> Matched:
    """The spectral map where it is good or alone was asked for; otherwise registration, if there are landmarks."""
    led = len(landmarks) >= FEWEST and not spectral_only
    try:
        found = spectral_match(source, target, landmarks, run.device, run.progress)
    except CorrespondenceError as error:
        if not led:
            raise
        return Matched(_by_landmarks(source, target, landmarks, run), "nonrigid", (f"{error}: the landmarks led",))
    facts: dict[str, float | int | str | None] = {"map_energy": found.energy, "runner_up_energy": found.runner_up}
    if found.energy <= ACCEPTED and found.share >= WHOLE:
        return Matched(_settled(source, target, landmarks, found, run), "spectral", _doubts(source, found), facts)
    differ = f"the shapes differ by more than their pose (energy {found.energy:.2f}, to be trusted below {ACCEPTED})"
    if found.share < WHOLE:
        differ = (
            f"the largest connected part is only {found.share:.0%} of a shape, and one part alone is matched by shape"
        )
    if led:
        said = (
            f"{differ}, or a landmark is wrong, so the {len(landmarks)} landmarks alone led; check that none is "
            "swapped, and pick more where it looks wrong"
        )
        return Matched(_by_landmarks(source, target, landmarks, run), "nonrigid", (said,), facts)
    said = f"{differ}: pick five or more landmarks on both, at the ends of limbs and where the shapes differ"
    trusted = min(ACCEPTED / found.energy, 1.0) ** 2 * found.share
    weak = replace(found.map, confidence=trusted * found.map.confidence)
    return Matched(weak, "spectral" if spectral_only else NO_MATCH, (said,), facts)


def _settled(source: WorkingMesh, target: WorkingMesh, landmarks: Int64, found: SpectralMatch, run: Run) -> DenseMap:
    """The spectral map, registered, so that it is smooth and lies on the surface."""
    known = found.map.weights.any(axis=1)
    trust = np.maximum(found.map.confidence, LEAST) * known
    settled = register_map(source, target, replace(found.map, confidence=trust), landmarks, run.progress)
    confidence = settled.confidence * known
    if found.mirrored:
        confidence = DOUBTED * confidence
    elif _close(found):
        confidence = np.where(found.differs, DOUBTED * confidence, confidence)
    return replace(settled, weights=settled.weights * known[:, None], confidence=confidence, way="spectral")


def _by_order(source: WorkingMesh, target: WorkingMesh) -> DenseMap:
    """Every vertex on the one of the same number."""
    count = len(source.positions)
    if count != len(target.positions):
        raise CorrespondenceError(
            f"vertex-order needs as many vertices on both meshes; the source has {count} and the target "
            f"{len(target.positions)} on faces"
        )
    corner = np.unique(target.triangles.ravel(), return_index=True)[1]  # a corner of every vertex
    weights = np.zeros((count, 3))
    weights[np.arange(count), corner % 3] = 1.0
    return DenseMap(corner // 3, weights, np.ones(count), "vertex-order")


def _by_landmarks(source: WorkingMesh, target: WorkingMesh, landmarks: Int64, run: Run) -> DenseMap:
    if len(landmarks) < FEWEST:
        raise CorrespondenceError(
            f"there are {len(landmarks)} landmarks on the two surfaces, and {FEWEST} or more are needed to lay one "
            "over the other; ten, spread over the shape, make a good match"
        )
    return register_landmarks(source, target, landmarks, run.progress)


def _close(found: SpectralMatch) -> bool:
    """Whether the second map may be the right one."""
    return found.runner_up is not None and found.runner_up <= CLOSE * found.energy


def _doubts(source: WorkingMesh, found: SpectralMatch) -> tuple[str, ...]:
    if found.mirrored:
        return ("one shape looks like the mirror image of the other: mirror one, or pick five landmarks or more",)
    if not _close(found) or not found.differs.any():
        return ()
    middle = source.positions[found.differs].mean(axis=0)
    vertex = np.flatnonzero(found.differs)[np.linalg.norm(source.positions[found.differs] - middle, axis=1).argmax()]
    share = float(found.differs.mean())
    number = source.first_vertices()[vertex]
    x, y, z = source.positions[vertex] + source.origin
    return (
        f"a second match is nearly as good and leads {share:.0%} of the source elsewhere, as when two legs are "
        "swapped: if the preview looks wrong, pick one landmark around source vertex "
        f"{number}, at ({x:.3g}, {y:.3g}, {z:.3g})",
    )
