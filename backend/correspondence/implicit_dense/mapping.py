"""From a trained model to a map between two surfaces, with what it can be trusted.

A point a of A and a point b of B belong together where the networks take each to the other: a is near
g(z_A, f(z_B, b)), b is near g(z_B, f(z_A, a)), and their embeddings agree. The published map looks only at the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from backend.correspondence.correspondence import CorrespondenceError
from backend.correspondence.dense_map import DenseMap
from backend.correspondence.implicit_dense.data import placed
from backend.correspondence.implicit_dense.model import DenseModel, read_model
from backend.correspondence.implicit_dense.networks import DenseNetworks
from backend.device import flushed_denormals
from backend.geometry.arrays import Float64, Int64
from backend.geometry.repair import WorkingMesh
from backend.geometry.sampling import sample_surface
from backend.training.run import Run

WAY = "implicit-dense"
CLOUD = 2048  # surface points for the code of a shape
CANDIDATES = 8192  # surface points of the target besides its vertices
EMBEDDING = 0.1  # diagonals that a difference of 1 between two embeddings counts as
CYCLE = 0.1  # diagonals: a point that comes back so far off has lost 1 - 1 / e of its confidence
THRESHOLD = 0.5  # of the confidence: a point below has no counterpart
MOSTLY = 0.6  # of the source without a counterpart is worth a word
ROWS = 512  # points compared at once
SEED = 0  # of the surface samples


@dataclass(frozen=True, eq=False)
class Shape:
    """A surface as the networks see it."""

    positions: Float64  # [V, 3], diagonal 1
    triangles: Int64  # [T, 3]
    code: Tensor  # [1, Z]

    @staticmethod
    def of(model: DenseModel, surface: WorkingMesh) -> Shape:
        positions = placed(surface, model.reference).apply(surface.positions)
        cloud = sample_surface(positions, surface.triangles, CLOUD, np.random.default_rng(SEED))[0]
        with torch.no_grad():
            return Shape(positions, surface.triangles, model.networks.encoder(_tensor(cloud)))


@dataclass(frozen=True, eq=False)
class Matches:
    """For N points of A, a point of B each."""

    index: Int64  # [N], among the points of B
    confidence: Float64  # [N] in 0..1


def match_points(
    networks: DenseNetworks,
    a: Shape,
    ours: Float64,  # [N, 3], on A
    b: Shape,
    theirs: Float64,  # [M, 3], on B
    check: Callable[[int, int], None] = lambda step, steps: None,
) -> Matches:
    """The point of ``theirs`` that belongs to each of ``ours``."""
    with torch.no_grad(), flushed_denormals():
        here, there = _Sides.of(networks, a, ours, b), _Sides.of(networks, b, theirs, a)
        index, confidence = [], []
        wanted = torch.cat([there.other, there.own, EMBEDDING * there.embedding], dim=1)
        for first in range(0, len(ours), ROWS):
            check(first, len(ours))
            some = slice(first, first + ROWS)
            found = torch.cat([here.own[some], here.other[some], EMBEDDING * here.embedding[some]], dim=1)
            best = torch.cdist(found, wanted).argmin(dim=1)
            index.append(best)
            confidence.append(_confidence(here, some, there, best))
    return Matches(torch.cat(index).numpy().astype(np.int64), torch.cat(confidence).numpy().astype(np.float64))


def dense_map(
    model: DenseModel,
    source: WorkingMesh,
    target: WorkingMesh,
    threshold: float = THRESHOLD,
    check: Callable[[int, int], None] = lambda step, steps: None,
) -> DenseMap:
    """The map from the source's vertices to the target's surface; confidence 0 where there is no counterpart."""
    a, b = Shape.of(model, source), Shape.of(model, target)
    points, faces, weights = _candidates(b)
    matches = match_points(model.networks, a, a.positions, b, points, check)
    confidence = np.where(matches.confidence < threshold, 0.0, matches.confidence)
    return DenseMap(faces[matches.index], weights[matches.index], confidence, WAY)


def mapped(source: WorkingMesh, target: WorkingMesh, model: Path | None, run: Run) -> DenseMap:
    """``dense_map`` by the model of a file. Raises ``CorrespondenceError`` where there is none."""
    if model is None:
        raise CorrespondenceError(
            "implicit-dense needs a model that `correspond-train` has made of a folder of such shapes; name it with "
            "--model"
        )
    try:
        trained = read_model(model)
    except OSError as error:
        raise CorrespondenceError(f"{model}: the model cannot be read ({error.strerror or error})") from error
    if not trained.finished:
        run.warn(f"{model.name} is not trained to its end; `correspond-train --resume` goes on with it")
    found = dense_map(trained, source, target, check=run.progress)
    lost = int((found.confidence == 0.0).sum())
    run.facts["without_counterpart"] = lost
    if lost > MOSTLY * len(found.confidence):
        run.warn(
            f"{lost} of {len(found.confidence)} vertices have no counterpart by {model.name}: it may be of another "
            "kind of shapes, or these lie in another way than the ones it was trained on"
        )
    return found


@dataclass(frozen=True, eq=False)
class _Sides:
    """Points of a shape, what they are called, and where they are on another shape."""

    own: Tensor  # [N, 3]
    embedding: Tensor  # [N, k]
    other: Tensor  # [N, 3]

    @staticmethod
    def of(networks: DenseNetworks, shape: Shape, points: Float64, other: Shape) -> _Sides:
        own = _tensor(points)
        embedding = networks.implicit(shape.code, own)
        return _Sides(own[0], embedding[0], networks.inverse(other.code, embedding)[0])


def _confidence(here: _Sides, some: slice, there: _Sides, best: Tensor) -> Tensor:
    """(1 - |o_a - o_b|_inf) exp(-(r / CYCLE)^2) [N], r the mean distance by which both ways miss."""
    differ = (here.embedding[some] - there.embedding[best]).abs().amax(dim=1)
    missed = (here.own[some] - there.other[best]).norm(dim=1) + (here.other[some] - there.own[best]).norm(dim=1)
    return (1.0 - differ) * torch.exp(-((missed / (2.0 * CYCLE)) ** 2))


def _candidates(shape: Shape) -> tuple[Float64, Int64, Float64]:
    """Points of a surface [M, 3], vertices first, with their triangles [M] and barycentric coordinates [M, 3]."""
    used, first = np.unique(shape.triangles, return_index=True)
    faces, corners = np.divmod(first, 3)
    points, more, weights = sample_surface(shape.positions, shape.triangles, CANDIDATES, np.random.default_rng(SEED))
    return (
        np.concatenate([shape.positions[used], points]),
        np.concatenate([faces, more]),
        np.concatenate([np.eye(3)[corners], weights]),
    )


def _tensor(points: Float64) -> Tensor:
    return torch.as_tensor(points, dtype=torch.float32)[None]
