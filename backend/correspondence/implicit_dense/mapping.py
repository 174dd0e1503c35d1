"""From a trained model to a map between two surfaces, with what it can be trusted.

A point a of A and a point b of B belong together where the networks take each to the other: a is near
g(z_A, f(z_B, b)), b is near g(z_B, f(z_A, a)), both face one way, and their embeddings agree. The published map looks
only at the first.

A part that B lacks lands on some part of B that is another part's: the way back from there leads elsewhere. The
confidence is how far it leads astray, over the surroundings of a point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from backend import data
from backend.correspondence.correspondence import CorrespondenceError
from backend.correspondence.dense_map import DenseMap
from backend.correspondence.implicit_dense.data import placed
from backend.correspondence.implicit_dense.model import DenseModel, model_of, read_model
from backend.correspondence.implicit_dense.networks import DenseNetworks
from backend.device import flushed_denormals
from backend.geometry.arrays import Float64, Int64
from backend.geometry.repair import WorkingMesh
from backend.geometry.sampling import sample_surface
from backend.geometry.triangles import area_vectors, unit, vertex_normals
from backend.training.run import Run

WAY = "implicit-dense"
SHIPPED = Path(data.__file__).parent / "chairs.safetensors"  # what maps where no model is named
CLOUD = 2048  # surface points for the code of a shape
CANDIDATES = 8192  # surface points of the target besides its vertices
NORMAL = 0.2  # diagonals that a difference of 1 between two unit normals counts as
EMBEDDING = 0.1  # diagonals that a difference of 1 between two embeddings counts as
ASTRAY = 0.18  # diagonals: a point that is led astray by so much has lost half of its confidence
AROUND = 48  # points of the cloud over which that is averaged: what is missing is a part, no point
THRESHOLD = 0.5  # of the confidence: a point below has no counterpart
UNLIKE = 0.025  # diagonals by which the shipped model misses the points of a shape unlike those it was trained on
MOSTLY = 0.6  # of the source without a counterpart is worth a word
ROWS = 512  # points compared at once
SEED = 0  # of the surface samples


@dataclass(frozen=True, eq=False)
class Points:
    """Points of a surface and its normals there."""

    places: Float64  # [N, 3]
    normals: Float64  # [N, 3], unit

    @staticmethod
    def sampled(positions: Float64, triangles: Int64, count: int) -> Points:
        places, faces, _ = sample_surface(positions, triangles, count, np.random.default_rng(SEED))
        return Points(places, unit(area_vectors(positions, triangles))[faces])


@dataclass(frozen=True, eq=False)
class Shape:
    """A surface as the networks see it."""

    positions: Float64  # [V, 3], diagonal 1
    triangles: Int64  # [T, 3]
    cloud: Points
    code: Tensor  # [1, Z]

    @staticmethod
    def of(model: DenseModel, surface: WorkingMesh) -> Shape:
        positions = placed(surface, model.reference).apply(surface.positions)
        cloud = Points.sampled(positions, surface.triangles, CLOUD)
        with torch.no_grad():
            code = model.networks.encoder(_tensor(cloud.places)[None])
        return Shape(positions, surface.triangles, cloud, code)

    def vertices(self) -> Points:
        """Every vertex, with the mean normal around it."""
        return Points(self.positions, unit(vertex_normals(self.positions, self.triangles)))


@dataclass(frozen=True, eq=False)
class Matches:
    """For N points of A, a point of B each."""

    index: Int64  # [N], among the points of B
    confidence: Float64  # [N] in 0..1


def match_points(
    networks: DenseNetworks,
    a: Shape,
    ours: Points,  # N on A
    b: Shape,
    theirs: Points,  # M on B
    check: Callable[[int, int], None] = lambda step, steps: None,
) -> Matches:
    """The point of ``theirs`` that belongs to each of ``ours``."""
    with torch.no_grad(), flushed_denormals():
        there = _Sides.of(networks, b, theirs, a)
        here, cloud = (_Sides.of(networks, a, points, b) for points in (ours, a.cloud))
        index, _ = _nearest(here, there, check)
        astray = _astray(cloud, there, check).numpy().astype(np.float64)
    around = cKDTree(a.cloud.places).query(ours.places, k=AROUND)[1]
    confidence = 0.5 ** ((astray[around].mean(axis=1) / ASTRAY) ** 2)
    return Matches(index.numpy().astype(np.int64), confidence)


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
    matches = match_points(model.networks, a, a.vertices(), b, points, check)
    confidence = np.where(matches.confidence < threshold, 0.0, matches.confidence)
    return DenseMap(faces[matches.index], weights[matches.index], confidence, WAY)


def mapped(source: WorkingMesh, target: WorkingMesh, model: Path | bytes | None, run: Run) -> DenseMap:
    """``dense_map`` by the model of a file, or of its bytes, or by the shipped one where there is neither.

    Raises ``CorrespondenceError`` for a file that cannot be read.
    """
    shipped = model is None
    name = "the shipped model of chairs" if shipped else model.name if isinstance(model, Path) else "the model"
    model = model or SHIPPED
    try:
        trained = read_model(model) if isinstance(model, Path) else model_of(model, name)
    except OSError as error:
        raise CorrespondenceError(f"{model!s}: the model cannot be read ({error.strerror or error})") from error
    if not trained.finished:
        run.warn(f"{name} is not trained to its end; `correspond-train --resume` goes on with it")
    for role, surface in (("source", source), ("target", target)) if shipped else ():
        if (missed := _returned(trained, surface)) > UNLIKE:
            run.warn(
                f"the {role} is no chair as {name} knows them, upright along z and facing along -y (it misses the "
                f"surface by {missed:.1%} of its size); make a model of such shapes with `correspond-train` and name "
                "it (--model)"
            )
    found = dense_map(trained, source, target, check=run.progress)
    lost = int((found.confidence == 0.0).sum())
    run.facts["without_counterpart"] = lost
    if lost > MOSTLY * len(found.confidence):
        run.warn(
            f"{lost} of {len(found.confidence)} vertices have no counterpart by {name}: it may be of another "
            "kind of shapes, or these lie in another way than the ones it was trained on"
        )
    return found


def _returned(model: DenseModel, surface: WorkingMesh) -> float:
    """How far the points of a surface are from where their own embeddings lead on it, in diagonals."""
    shape = Shape.of(model, surface)
    with torch.no_grad():
        back = _Sides.of(model.networks, shape, shape.cloud, shape)
        return float((back.other - back.own).norm(dim=1).mean())


@dataclass(frozen=True, eq=False)
class _Sides:
    """Points of a shape, what they are called, and where they are on another shape."""

    own: Tensor  # [N, 3]
    normals: Tensor  # [N, 3]
    embedding: Tensor  # [N, k]
    other: Tensor  # [N, 3]

    @staticmethod
    def of(networks: DenseNetworks, shape: Shape, points: Points, other: Shape) -> _Sides:
        own = _tensor(points.places)
        embedding = networks.implicit(shape.code, own[None])
        image = networks.inverse(other.code, embedding)[0]
        return _Sides(own, _tensor(points.normals), embedding[0], image)

    def some(self, index: Tensor) -> _Sides:
        """Those of the numbers [K]."""
        return _Sides(self.own[index], self.normals[index], self.embedding[index], self.other[index])


def _nearest(here: _Sides, there: _Sides, check: Callable[[int, int], None]) -> tuple[Tensor, Tensor]:
    """Which of ``there`` belongs to each of ``here`` [N], and by how much they miss [N], in diagonals."""
    wanted = torch.cat([there.other, there.own, NORMAL * there.normals, EMBEDDING * there.embedding], dim=1)
    found = torch.cat([here.own, here.other, NORMAL * here.normals, EMBEDDING * here.embedding], dim=1)
    index, missed = [], []
    for first in range(0, len(found), ROWS):
        check(first, len(found))
        least = torch.cdist(found[first : first + ROWS], wanted).min(dim=1)
        index.append(least.indices)
        missed.append(least.values)
    return torch.cat(index), torch.cat(missed)


def _astray(cloud: _Sides, there: _Sides, check: Callable[[int, int], None]) -> Tensor:
    """How far the way there and back leads from each point of ``cloud`` [N], in diagonals.

    Where its answer has a better match, the distance to that, which counts another normal as another place, and by how
    much better that match is.
    """
    index, missed = _nearest(cloud, there, check)
    back, least = _nearest(there.some(index), cloud, check)
    apart = torch.cat([cloud.own - cloud.own[back], NORMAL * (cloud.normals - cloud.normals[back])], dim=1)
    astray: Tensor = apart.norm(dim=1) + missed - least
    return astray


def _candidates(shape: Shape) -> tuple[Points, Int64, Float64]:
    """Points of a surface, M of them, vertices first, with their triangles [M] and barycentric coordinates [M, 3]."""
    used, first = np.unique(shape.triangles, return_index=True)
    faces, corners = np.divmod(first, 3)
    places, more, weights = sample_surface(shape.positions, shape.triangles, CANDIDATES, np.random.default_rng(SEED))
    normals = unit(area_vectors(shape.positions, shape.triangles))[more]
    vertices = shape.vertices()
    points = Points(np.concatenate([vertices.places[used], places]), np.concatenate([vertices.normals[used], normals]))
    return points, np.concatenate([faces, more]), np.concatenate([np.eye(3)[corners], weights])


def _tensor(values: Float64) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)
