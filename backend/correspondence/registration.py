"""``nonrigid``: the source is bent onto the target, and every vertex belongs where it then lies.

What is known at first is a guess: a coarse map, or shares of landmarks. Every round pairs samples of either surface
with the nearest vertex of the other in place, normal and guess together, and bends the source towards its partners as
similarly to itself as it can. The guess counts for less every time and the partners for more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import igl
import numpy as np
import torch

from backend.correspondence.correspondence import CorrespondenceError
from backend.correspondence.dense_map import DenseMap
from backend.correspondence.fit import Fit
from backend.correspondence.landing import facing
from backend.correspondence.zoomout import nearest_rows
from backend.geometry.arrays import Flags, Float64, Int64
from backend.geometry.edges import edges_of
from backend.geometry.geodesics import Geodesics
from backend.geometry.normalise import similarity_alignment
from backend.geometry.repair import WorkingMesh
from backend.geometry.robust import geman_mcclure
from backend.geometry.sampling import interpolate, some_of
from backend.geometry.triangles import areas, unit, vertex_normals

SAMPLES = 5000  # of either surface that look for their partners
SIMILAR = 0.9  # of the triangles' freedom to shear is taken
ROUNDS = 4  # local-global rounds of each step
HELD = 1200.0  # weight of a landmark against the smoothness of the triangles around it
GUESSED = 0.1  # of a vertex where a map leads it, at first
NARROW = 0.01  # difference, in square roots of the area, at which a partner loses most of its say, at least
WIDE = 0.1  # the same of the target's samples: what nothing lies on pulls from afar
SHARE = 0.02  # distance added to those from landmarks, in square roots of the area
SPREAD = 1e-9  # share of the target's size that the landmarks must reach over

FAR = 0.03  # between where the guess leads and where the vertex came to lie, in square roots of the target's area
UNLIKE = 1 / 3  # shares of the landmarks that differ by so much are one doubt
STRETCHED = 0.5  # mean logarithm of the change of the edges' lengths around a vertex
HALF = 1.5  # doubts that leave half of the trust
FLOOR = 1e-4  # of the square root of the area, added to lengths
NEAR = 0.01  # distance, in square roots of the area, at which a vertex has a counterpart whatever its normal

Check = Callable[[int, int], None]


@dataclass(frozen=True)
class Schedule:
    """How the rounds change."""

    first: int  # local-global rounds of the first pose
    steps: int
    guess: float  # what the guess counts against place at first; 0 at the end
    normal: float  # what a normal counts against place, in square roots of the area
    weights: tuple[float, float]  # of a partner, at first and at the end


BY_LANDMARKS = Schedule(first=30, steps=20, guess=0.7, normal=0.2, weights=(0.003, 0.1))
BY_MAP = Schedule(first=10, steps=10, guess=0.2, normal=0.1, weights=(0.1, 1.0))


def register_landmarks(source: WorkingMesh, target: WorkingMesh, landmarks: Int64, check: Check) -> DenseMap:
    """The map that grows from ``landmarks`` [L, 2] alone. Raises ``CorrespondenceError`` where they are one place."""
    a, b = source, target
    goals = b.positions[landmarks[:, 1]]
    if np.ptp(goals, axis=0).max() <= SPREAD * np.ptp(b.positions, axis=0).max():
        raise CorrespondenceError("all landmarks are one place on the target; pick some that are spread over the shape")
    rest = similarity_alignment(goals, a.positions[landmarks[:, 0]], np.ones(len(landmarks))).apply(a.positions)
    guess = _shares(a, landmarks[:, 0]), _shares(b, landmarks[:, 1])
    there = nearest_rows(*(torch.as_tensor(each, dtype=torch.float32) for each in guess)).numpy()
    bending = _Bending(a, b, rest, guess, landmarks)
    start = bending.first(rest, b.positions[there], np.full(len(rest), BY_LANDMARKS.weights[0]), BY_LANDMARKS)
    return _map_of(a, b, bending.bent(start, BY_LANDMARKS, check), landmarks, guess, UNLIKE)


def register_map(source: WorkingMesh, target: WorkingMesh, found: DenseMap, landmarks: Int64, check: Check) -> DenseMap:
    """A coarse map made smooth and laid onto the surface; it leads where its confidence is not 0."""
    a, b = source, target
    known = found.confidence > 0
    led = found.points(b.positions, b.triangles)
    rest = similarity_alignment(led[known], a.positions[known], found.confidence[known]).apply(a.positions)
    goals = np.where(known[:, None], led, rest)
    guess = goals / _size(b), b.positions / _size(b)
    bending = _Bending(a, b, rest, guess, landmarks, known)
    pose = bending.bent(bending.first(goals, goals, GUESSED * found.confidence, BY_MAP), BY_MAP, check)
    laid = _map_of(a, b, pose, landmarks, guess, FAR)
    trust = np.where(known, np.exp2((found.confidence - 1.0) / HALF), 0.0)
    trust[landmarks[:, 0]] = 1.0
    return replace(laid, confidence=laid.confidence * trust)


class _Bending:
    """The rounds, around a rest pose of the source that lies over the target."""

    def __init__(
        self,
        source: WorkingMesh,
        target: WorkingMesh,
        rest: Float64,  # [V, 3]
        guess: tuple[Float64, Float64],  # [V, D], [U, D], alike where vertices belong together
        landmarks: Int64,  # [L, 2]
        known: Flags | None = None,  # [V], vertices whose guess means something; all
    ) -> None:
        self._source, self._target, self._guess, self._landmarks = source, target, guess, landmarks
        self._fit = Fit(rest, source.triangles, SIMILAR)
        self._size = _size(target)
        self._normals = unit(vertex_normals(target.positions, target.triangles))
        everywhere = np.arange(len(rest)) if known is None else np.flatnonzero(known)
        self._ours = everywhere[some_of(len(everywhere), SAMPLES)]
        self._theirs = some_of(len(target.positions), SAMPLES)

    def first(self, pose: Float64, goals: Float64, weights: Float64, schedule: Schedule) -> Float64:
        """The rest pose bent towards guessed ``goals`` [V, 3] and the landmarks."""
        return self._towards(pose, weights[:, None] * goals, weights.copy(), schedule.first)

    def bent(self, pose: Float64, schedule: Schedule, check: Check) -> Float64:
        """The pose [V, 3] after all rounds."""
        low, high = schedule.weights
        for step in range(schedule.steps):
            check(step, schedule.steps)
            part = (step + 1) / schedule.steps
            weight = low * (high / low) ** part * SAMPLES / len(self._ours)
            sums, weights = self._partners(pose, schedule.guess * (1.0 - part) ** 2, schedule.normal)
            pose = self._towards(pose, weight * sums, weight * weights, ROUNDS)
        return pose

    def _partners(self, pose: Float64, guess: float, normal: float) -> tuple[Float64, Float64]:
        """Sums [V, 3] of the places of every vertex's partners, and their weights [V]."""
        places = self._target.positions
        normals = unit(vertex_normals(pose, self._source.triangles))
        ours = np.concatenate([pose / self._size, normal * normals, guess * self._guess[0]], axis=1)
        theirs = np.concatenate([places / self._size, normal * self._normals, guess * self._guess[1]], axis=1)
        there, apart = _nearest(ours[self._ours], theirs)
        scale = max(2.0 * float(np.median(apart)), NARROW)
        trust = geman_mcclure(apart, scale)
        sums, weights = np.zeros_like(pose), np.zeros(len(pose))
        sums[self._ours], weights[self._ours] = trust[:, None] * places[there], trust
        back, apart = _nearest(theirs[self._theirs], ours)
        trust = geman_mcclure(apart, max(scale, WIDE)) * len(self._ours) / len(self._theirs)
        np.add.at(sums, back, trust[:, None] * places[self._theirs])
        np.add.at(weights, back, trust)
        return sums, weights

    def _towards(self, pose: Float64, sums: Float64, weights: Float64, rounds: int) -> Float64:
        np.add.at(sums, self._landmarks[:, 0], HELD * self._target.positions[self._landmarks[:, 1]])
        np.add.at(weights, self._landmarks[:, 0], HELD)
        return self._fit.solve(pose, sums / np.where(weights > 0, weights, 1.0)[:, None], weights, rounds)


def _map_of(
    a: WorkingMesh,
    b: WorkingMesh,
    pose: Float64,  # [V, 3]
    landmarks: Int64,  # [L, 2]
    guess: tuple[Float64, Float64],  # [V, D], [U, D]
    unlike: float,  # difference of the guesses that is one doubt
) -> DenseMap:
    """Where every vertex of ``pose`` lies on the target.

    It is doubted as far as it lies off the surface, is not what was guessed, and its surroundings are stretched.
    """
    met = facing(pose, a.triangles, b.positions, b.triangles, np.zeros(len(pose), bool))
    corners = [np.ascontiguousarray(b.positions[b.triangles[met.faces][:, k]]) for k in range(3)]
    weights = np.clip(igl.barycentric_coordinates(np.ascontiguousarray(met.points), *corners), 0.0, 1.0)
    size = _size(b)
    away = np.linalg.norm(met.points - pose, axis=1) / size
    apart = np.linalg.norm(guess[0] - interpolate(guess[1], b.triangles, met.faces, weights), axis=1)
    doubt = away / FAR + apart / unlike + _stretch(a, pose, size) / STRETCHED
    confidence = np.exp2(-doubt / HALF) * (met.valid | (away < NEAR))
    confidence[landmarks[:, 0]] = 1.0
    return DenseMap(met.faces, weights, confidence, "nonrigid")


def _shares(surface: WorkingMesh, landmarks: Int64) -> Float64:
    """How much of every vertex is each landmark's [W, L]: by the squares of the distances along the surface.

    They do not change where a limb becomes longer or thicker as a whole.
    """
    away = Geodesics(surface.positions, surface.triangles).from_vertices(landmarks) / _size(surface)  # [L, W]
    near = (away + SHARE) ** -2.0
    total = near.sum(axis=0)
    return np.asarray((near / np.where(total > 0, total, 1.0)).T)


def _nearest(points: Float64, among: Float64) -> tuple[Int64, Float64]:
    """The nearest row [N] of ``among`` [M, D] to each of ``points`` [N, D], and how far it is."""
    found = nearest_rows(*(torch.as_tensor(each, dtype=torch.float32) for each in (points, among))).numpy()
    return found, np.linalg.norm(points - among[found], axis=1)


def _size(surface: WorkingMesh) -> float:
    """The square root of the area."""
    return float(np.sqrt(areas(surface.positions, surface.triangles).sum()))


def _stretch(source: WorkingMesh, pose: Float64, size: float) -> Float64:
    """Mean change [W] of the edges around every vertex, as a logarithm, both shapes scaled to an area of 1."""
    ends = edges_of(source.triangles).ends
    before, after = (np.linalg.norm(at[ends[:, 0]] - at[ends[:, 1]], axis=1) for at in (source.positions, pose))
    change = np.abs(np.log((after / size + FLOOR) / (before / _size(source) + FLOOR)))
    count = np.bincount(ends.ravel(), minlength=len(pose))
    return np.asarray(np.bincount(ends.ravel(), np.repeat(change, 2), len(pose)) / np.maximum(count, 1))
