"""Where the target lies over the source when no pair of points is known: one similarity, never a reflection.

Trimmed iterative closest points, both ways, between surface samples. It starts from many rotations, since only the
neighbourhood of the right one leads there. Models are mostly made upright and facing the same way, so turning has a
price, and the less alike the shapes are, the less they tell how they belong together, and the higher it is. Unlike
solids that are not turned are laid so that they share as much volume as they can.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from backend.correspondence.overlap import most_overlap
from backend.geometry.arrays import Float64, Int64
from backend.geometry.edges import edges_of
from backend.geometry.normalise import Similarity
from backend.geometry.repair import WorkingMesh
from backend.geometry.sampling import sample_surface

SEED = 0  # of the surface samples
SAMPLES = (250, 700)  # surface points of the search over all starts, and of the ends
DENSE = 10_000  # surface points among which the ends look for the nearest
STEPS = (12, 60)  # closest-point rounds of the two, at most
STILL = 3e-4  # of the size: a round that moves no point farther is the last
FINALISTS = 7  # starts that are followed to the end
ALIKE = (math.radians(12.0), 0.08)  # starts that came this near to each other, in turn and scale, are one
KEPT = 0.7  # share of the nearest points that counts; the rest may have no counterpart
SCALE_REACH = 1.6  # factor by which the scale may leave its start
SAME_SCALE = 3.0  # meshes whose sizes differ by less may have been made to one scale
UNLIKE = 0.067  # best mean distance, in radii, at which half a turn must bring the surfaces nearer by a factor of 2
AS_GOOD = 0.1  # share by which half a turn must bring the surfaces nearer, however alike they are: for balls
STEEP = 4  # power of that distance with which the factor grows


@dataclass(frozen=True, eq=False)
class _Cloud:
    """Surface points, centred, in lengths of their root mean square radius."""

    points: Float64  # [N, 3], that look for their nearest
    among: Float64  # [M, 3], that are found

    tree: cKDTree = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", cKDTree(self.among))

    def nearest(self, points: Float64) -> tuple[Float64, Float64]:
        """Distance [K] and place [K, 3] of the nearest point."""
        distance, index = self.tree.query(points)
        return distance, self.among[index]


@dataclass(frozen=True, eq=False)
class _Start:
    at: Similarity
    scale: float  # around which the scale stays
    turns: bool = True


def coarse_alignment(
    source: WorkingMesh,
    target: WorkingMesh,  # its origin is that of the source
    check: Callable[[int, int], None],  # (step, steps); may raise to stop
) -> Similarity:
    """The similarity that takes ``target`` over ``source`` as well as its shape allows."""
    rng = np.random.default_rng(SEED)
    a = sample_surface(source.positions, source.triangles, DENSE, rng)[0]
    b = sample_surface(target.positions, target.triangles, DENSE, rng)[0]
    middle, size = a.mean(axis=0), _radius(a)
    other, other_size = b.mean(axis=0), _radius(b)
    a, b = (a - middle) / size, (b - other) / other_size
    starts = list(_starts(a, b, (other - middle) / size, other_size / size))
    steps = len(starts) + sum(not start.turns for start in starts) + FINALISTS
    few = [_Cloud(points[: SAMPLES[0]], points[: 2 * SAMPLES[0]]) for points in (a, b)]
    first = []
    for step, start in enumerate(starts):
        check(step, steps)
        end = _closest_points(few[0], few[1], start, STEPS[0])
        first.append((_distance(few[0], few[1], end), replace(start, at=end)))
    first.sort(key=lambda entry: entry[0])
    many = [_Cloud(points[: SAMPLES[1]], points) for points in (a, b)]
    ends = []
    for step, start in enumerate(_different([start for _, start in first])):
        check(len(starts) + step, steps)
        end = _closest_points(many[0], many[1], start, STEPS[1])
        ends.append((_distance(many[0], many[1], end), end))
    unlike = min(distance for distance, _ in ends) / UNLIKE
    best = min(
        ends, key=lambda entry: entry[0] * (1.0 + (AS_GOOD + unlike**STEEP) * _angle(entry[1].rotation) / np.pi)
    )[1]
    scale = best.scale * size / other_size
    found = Similarity(best.rotation, scale, middle + size * best.translation - scale * best.rotation @ other)
    solid = all(edges_of(surface.triangles).closed for surface in (source, target))
    turned = _angle(best.rotation) > 0.0
    return most_overlap(source, target, found) if solid and unlike > 1.0 and not turned else found


def _different(starts: Sequence[_Start]) -> list[_Start]:
    """Those that do not turn, and the first of the others that differ."""
    kept: list[_Start] = []
    for start in starts:
        if start.turns and len(kept) < FINALISTS and not any(_alike(start.at, other.at) for other in kept):
            kept.append(start)
    return [start for start in starts if not start.turns] + kept


def _alike(a: Similarity, b: Similarity) -> bool:
    return abs(math.log(a.scale / b.scale)) < ALIKE[1] and _angle(a.rotation.T @ b.rotation) < ALIKE[0]


def _angle(rotation: Float64) -> float:
    """Radians of the turn."""
    return float(Rotation.from_matrix(rotation).magnitude())


def _radius(points: Float64) -> float:
    return float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))


def _starts(a: Float64, b: Float64, shift: Float64, ratio: float) -> Iterator[_Start]:
    """Rotations to try, each with the sizes made equal and, where it is likely, with the scale left as it is."""
    scales = [1.0]
    if 1 / SAME_SCALE < ratio < SAME_SCALE:
        scales.append(ratio)
        yield _Start(Similarity(np.eye(3), ratio, shift), ratio, turns=False)
    yield _Start(Similarity.identity(), 1.0, turns=False)
    for rotation in _rotations(a, b):
        for scale in scales:
            yield _Start(Similarity(rotation, scale, np.zeros(3)), scale)


def _rotations(a: Float64, b: Float64) -> Iterator[Float64]:
    """The 24 turns of a cube, eighths of a turn around each axis, and the four that match the principal axes."""
    yield from Rotation.create_group("O").as_matrix()
    for axis in np.eye(3):
        for degrees in (45.0, 135.0, 225.0, 315.0):
            yield Rotation.from_rotvec(degrees * axis, degrees=True).as_matrix()
    ours, theirs = _principal_axes(a), _principal_axes(b)
    for x in (1.0, -1.0):
        for y in (1.0, -1.0):
            yield (ours * [x, y, x * y]) @ theirs.T


def _principal_axes(points: Float64) -> Float64:
    """Right-handed axes of inertia as columns [3, 3]."""
    axes = np.linalg.eigh(points.T @ points)[1]
    axes[:, 2] *= np.sign(np.linalg.det(axes)) or 1.0
    return np.asarray(axes)


def _closest_points(a: _Cloud, b: _Cloud, start: _Start, steps: int) -> Similarity:
    """Iterative closest points (Besl and McKay, PAMI 1992), both ways, trimmed (Chetverikov et al., ICPR 2002).

    The scale is the ratio of the spreads of the pairs, which favours neither side; least squares would shrink.
    """
    at, rotation = start.at, start.at.rotation
    for _ in range(steps):
        there, on_a, back, on_b = _nearest(a, b, at)
        keep_b, keep_a = _trimmed(there), _trimmed(back)
        ours = np.concatenate([on_a[keep_b], a.points[keep_a]])
        theirs = np.concatenate([b.points[keep_b], on_b[keep_a]])
        ours_middle, theirs_middle = ours.mean(axis=0), theirs.mean(axis=0)
        p, q = ours - ours_middle, theirs - theirs_middle
        if start.turns:
            u, _, vt = np.linalg.svd(p.T @ q)
            rotation = (u * [1.0, 1.0, np.sign(np.linalg.det(u @ vt)) or 1.0]) @ vt
        scale = float(np.sqrt((p * p).sum() / max((q * q).sum(), 1e-300)))
        scale = min(max(scale, start.scale / SCALE_REACH), start.scale * SCALE_REACH)
        before, at = at, Similarity(rotation, scale, ours_middle - scale * rotation @ theirs_middle)
        if np.abs(at.apply(b.points) - before.apply(b.points)).max() < STILL:
            break
    return at


def _nearest(a: _Cloud, b: _Cloud, at: Similarity) -> tuple[Float64, Float64, Float64, Float64]:
    """From b's points to a: distances [M] and places [M, 3]; from a's points to b: distances [N] and places [N, 3].

    Distances are in a's lengths, places in those of the cloud they are on.
    """
    there, on_a = a.nearest(at.apply(b.points))
    back, on_b = b.nearest(at.inverse().apply(a.points))
    return there, on_a, at.scale * back, on_b


def _trimmed(distances: Float64) -> Int64:
    """Indices of the nearest share."""
    kept = int(KEPT * len(distances))
    return np.argpartition(distances, kept - 1)[:kept]


def _distance(a: _Cloud, b: _Cloud, at: Similarity) -> float:
    """Mean distance of the nearest shares, both ways."""
    there, _, back, _ = _nearest(a, b, at)
    return float(there[_trimmed(there)].mean() + back[_trimmed(back)].mean()) / 2
