"""Where every source vertex ends: a correspondence, complete or not, becomes a pose of the source on the target.

The pose minimises a robust matching energy and a gradient-domain smoothness energy, is then drawn onto the target's
surface, and finally put on it exactly. Wrong pairs are outvoted by their neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from backend.correspondence.correspondence import Correspondence, CorrespondenceError
from backend.correspondence.fit import Fit
from backend.geometry.distance import closest_on_surface
from backend.geometry.edges import edges_of
from backend.geometry.normalise import similarity_alignment
from backend.geometry.robust import geman_mcclure
from backend.geometry.triangles import area_vectors, vertex_normals

Float = NDArray[np.float64]
Int = NDArray[np.int64]

MATCH_STEPS = 6
ROUNDS = 12  # local-global rounds of each matching step
PULL = 4.0  # by how much the surface weighs more at the end than at first
SURFACE_STEPS = 12
MATCH_WEIGHT = 12.0  # of a pair, against the smoothness of the triangles around it
SURFACE_WEIGHT = 2.0  # of a vertex's closest target point, at first
OUTLIER = 0.03  # residual, in target diagonals, at which a pair loses most of its say
ROUGHER = 1.3  # a pose that meets the pairs exactly may be this much rougher
NEIGHBOURS = 8  # pairs that a pair is compared with
TORN = 4.0  # a pair whose neighbours went this many times farther apart than is usual is wrong
NEAR = 0.01  # distance, in target diagonals, at which a vertex is put on the surface whatever its normal
SPREAD = 1e-9  # share of the target's size that the pairs must reach over


@dataclass(frozen=True, eq=False)
class Landing:
    """A pose of the source surface on the target."""

    positions: Float  # [W, 3]
    on_surface: NDArray[np.bool_]  # [W], lies on the target's surface; false where the target has no counterpart


def land(
    source: Float,  # [W, 3]
    triangles: Int,  # [T, 3]
    target: Float,  # [U, 3]
    target_triangles: Int,  # [S, 3]
    correspondence: Correspondence,
    check: Callable[[int, int], None],  # (step, steps); may raise to stop
) -> Landing:
    """Poses ``source`` on ``target``. A complete one-to-one vertex order is taken as it is.

    Raises ``CorrespondenceError`` for pairs that all lead to one place.
    """
    if correspondence.way == "vertex-order":
        landed = np.zeros_like(source)
        known = np.zeros(len(source), bool)
        landed[correspondence.source] = target[correspondence.target]
        known[correspondence.source] = True
        if known.all():
            return Landing(landed, known)
    agreeing = _consistent(source, correspondence, target)
    trusted = Correspondence(
        correspondence.source[agreeing],
        correspondence.target[agreeing],
        correspondence.weights[agreeing],
        correspondence.way,
    )
    wanted = np.ones(len(source), bool)
    wanted[correspondence.without] = False
    goals, weights = _goals(trusted, target, len(source))
    if np.ptp(goals[weights > 0], axis=0).max() <= SPREAD * np.ptp(target, axis=0).max():
        raise CorrespondenceError(
            "all pairs of the table lead to one place on the target; give pairs that are spread over both meshes"
        )
    moved = similarity_alignment(target[trusted.target], source[trusted.source], trusted.weights).apply(source)
    size = float(np.linalg.norm(np.ptp(target, axis=0)))
    fit = Fit(moved, triangles)
    pose = moved
    for step in range(MATCH_STEPS):
        check(step, MATCH_STEPS + SURFACE_STEPS)
        # Far residuals are normal at first; in the end only wrong pairs have them.
        narrowing = 1.0 + 9.0 * (1.0 - step / (MATCH_STEPS - 1)) ** 2
        trust = weights * _trust(pose, goals, weights, narrowing * OUTLIER * size)
        pose = fit.solve(pose, goals, MATCH_WEIGHT * trust, ROUNDS)
    for step in range(SURFACE_STEPS):
        check(MATCH_STEPS + step, MATCH_STEPS + SURFACE_STEPS)
        met = facing(pose, triangles, target, target_triangles, weights > 0)
        match = MATCH_WEIGHT * weights * _trust(pose, goals, weights, OUTLIER * size)
        pull = SURFACE_WEIGHT * (met.valid & wanted) * (1.0 + PULL * (step / (SURFACE_STEPS - 1)) ** 2)
        total = match + pull
        mixed = match[:, None] * goals + pull[:, None] * met.points
        pose = fit.solve(pose, mixed / np.where(total > 0, total, 1.0)[:, None], total, 2)
    met = facing(pose, triangles, target, target_triangles, weights > 0)
    landed = wanted & (met.valid | (met.inside & (np.linalg.norm(met.points - pose, axis=1) < NEAR * size)))
    pose = np.where(landed[:, None], met.points, pose)
    # An exact table leaves no roughness of its own: then it is met exactly.
    sure = (weights > 0) & (np.linalg.norm(pose - goals, axis=1) < OUTLIER * size)
    exact = np.where(sure[:, None], goals, pose)
    if fit.roughness(exact) <= ROUGHER * fit.roughness(pose):
        return Landing(exact, landed | sure)
    return Landing(pose, landed)


@dataclass(frozen=True, eq=False)
class Facing:
    faces: Int  # [W], of the target
    points: Float  # [W, 3], on them
    valid: NDArray[np.bool_]  # [W], a counterpart by place and normal
    inside: NDArray[np.bool_]  # [W], not beyond the target's open border


def _goals(correspondence: Correspondence, target: Float, n: int) -> tuple[Float, Float]:
    """The weighted mean [n, 3] of each source vertex's matches, and its weight [n] (0: none)."""
    total = np.bincount(correspondence.source, correspondence.weights, n)
    matched = target[correspondence.target] * correspondence.weights[:, None]
    sums = np.stack([np.bincount(correspondence.source, matched[:, k], n) for k in range(3)], axis=1)
    strongest = max(float(total.max()), 1e-300)
    return sums / np.where(total > 0, total, 1.0)[:, None], np.minimum(total / strongest, 1.0)


def _trust(pose: Float, goals: Float, weights: Float, scale: float) -> Float:
    """Robust factor [W] in 0..1 of every goal by its residual against ``scale``."""
    return np.asarray((weights > 0) * geman_mcclure(np.linalg.norm(pose - goals, axis=1), scale))


def _consistent(source: Float, correspondence: Correspondence, target: Float) -> NDArray[np.bool_]:
    """Which pairs [K] agree with their neighbours: a wrong match lies far from where its neighbours went."""
    a, b = source[correspondence.source], target[correspondence.target]
    k = min(NEIGHBOURS + 1, len(a))
    if k < 4:
        return np.ones(len(a), bool)
    _, near = cKDTree(a).query(a, k=k)
    near = near[:, 1:]
    before = np.linalg.norm(a[near] - a[:, None], axis=2)
    after = np.linalg.norm(b[near] - b[:, None], axis=2)
    stretch = np.median(after, axis=1) / np.maximum(np.median(before, axis=1), 1e-300)
    return np.asarray(stretch <= TORN * np.median(stretch))


def facing(pose: Float, triangles: Int, target: Float, target_triangles: Int, matched: NDArray[np.bool_]) -> Facing:
    """Closest target points; invalid where normals disagree, and on the open border for vertices without a match."""
    distance, faces, points = closest_on_surface(pose, target, target_triangles)
    edges = edges_of(target_triangles)
    inside = np.ones(len(pose), bool)
    if edges.open.any():
        ends = edges.ends[edges.open]
        a, b = target[ends[:, 0]], target[ends[:, 1]]
        tree = cKDTree((a + b) / 2)
        _, near = tree.query(points, k=min(4, len(ends)))
        near = near.reshape(len(points), -1)
        p, q = a[near], b[near]
        along = np.clip(((points[:, None] - p) * (q - p)).sum(-1) / np.maximum(((q - p) ** 2).sum(-1), 1e-300), 0, 1)
        gap = np.linalg.norm(points[:, None] - p - along[..., None] * (q - p), axis=-1).min(axis=1)
        size = float(np.linalg.norm(np.ptp(target, axis=0)))
        inside = matched | (gap > 1e-9 * size) | (distance < 1e-9 * size)
    ours = vertex_normals(pose, triangles)
    theirs = area_vectors(target, target_triangles)[faces]
    return Facing(faces, points, inside & ((ours * theirs).sum(axis=1) >= 0.0), inside)
