"""How well a way to match finds the true places of points on shapes whose parts are known, in the form of BHCP.

Kim et al., *Exploring Collections of 3D Models using Fuzzy Correspondences*, SIGGRAPH 2012: the share of points whose
error, over the diagonal of the box of the shape that the answer lies on, is at most d, for d from 0 to 0.25 by 0.01.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from backend.collection.solid import Solid
from backend.correspondence.implicit_dense.data import placed
from backend.correspondence.implicit_dense.mapping import THRESHOLD, Points, Shape, match_points
from backend.correspondence.implicit_dense.model import DenseModel
from backend.geometry.arrays import Flags, Float64
from backend.geometry.repair import WorkingMesh

DISTANCES = np.arange(26) / 100  # diagonals
POINTS = 2048  # of every shape: those asked about, and those that can be the answer


@dataclass(frozen=True, eq=False)
class Known:
    """A shape with its truth."""

    name: str
    solid: Solid
    surface: WorkingMesh


@dataclass(frozen=True, eq=False)
class Accuracy:
    """What a way reaches over all ordered pairs."""

    curve: Float64  # [26], share of points within each of DISTANCES
    precision: float  # of the points said to have no counterpart, the share that has none
    recall: float  # of the points that have none, the share said to have none
    missing: float  # share of all points that has none

    @property
    def area(self) -> float:
        """Under the curve, over its width."""
        return float((self.curve[1:] + self.curve[:-1]).mean() / 2)

    def within(self, distance: float) -> float:
        return float(self.curve[round(100 * distance)])


@dataclass(frozen=True, eq=False)
class Answers:
    """Of one pair: errors of the points that have a counterpart, confidences of all, and which have none."""

    errors: Float64  # [N], not a number where there is no true place
    confidence: Float64  # [N]
    missing: Flags  # [N]
    known: Flags  # [N], has a true place


Way = Callable[[int, int], tuple[Float64, Float64]]  # two shapes -> places [POINTS, 3] and confidences [POINTS]


def by_model(model: DenseModel, shapes: Sequence[Known]) -> Way:
    """The map of a trained model."""
    points = [sampled(shape) for shape in shapes]
    seen = [Shape.of(model, shape.surface) for shape in shapes]
    frames = [placed(shape.surface, model.reference) for shape in shapes]
    inside = [
        Points(frame.apply(cloud.places), cloud.normals @ frame.rotation.T)
        for frame, cloud in zip(frames, points, strict=True)
    ]

    def answer(a: int, b: int) -> tuple[Float64, Float64]:
        found = match_points(model.networks, seen[a], inside[a], seen[b], inside[b])
        return points[b].places[found.index], found.confidence

    return answer


def by_nearest(shapes: Sequence[Known], normal: float = 0.0) -> Way:
    """The nearest point once both boxes have one middle and one diagonal; confidence falls with its distance.

    ``normal``: diagonals that a difference of 1 between normals counts as.
    """
    points = [sampled(shape) for shape in shapes]
    unit = [
        np.concatenate([placed(shape.surface).apply(cloud.places), normal * cloud.normals], axis=1)
        for shape, cloud in zip(shapes, points, strict=True)
    ]
    trees = [cKDTree(cloud) for cloud in unit]

    def answer(a: int, b: int) -> tuple[Float64, Float64]:
        distance, index = trees[b].query(unit[a])
        return points[b].places[index], np.exp(-distance / 0.1)

    return answer


def answers(way: Way, shapes: Sequence[Known], check: Callable[[int, int], None]) -> list[Answers]:
    """Of every ordered pair of different shapes."""
    points = [sampled(shape).places for shape in shapes]
    pairs = [(a, b) for a in range(len(shapes)) for b in range(len(shapes)) if a != b]
    found = []
    for number, (a, b) in enumerate(pairs):
        check(number, len(pairs))
        places, confidence = way(a, b)
        true, known, missing = shapes[a].solid.partners(points[a], shapes[b].solid)
        low, high = shapes[b].solid.box()
        errors = np.linalg.norm(places - true, axis=1) / float(np.linalg.norm(high - low))
        found.append(Answers(np.where(known, errors, np.nan), confidence, missing, known))
    return found


def accuracy(found: Sequence[Answers], threshold: float = THRESHOLD) -> Accuracy:
    """The curve over all points with a true place, and how well missing parts are told by ``threshold``."""
    errors = np.concatenate([one.errors[one.known] for one in found])
    some = np.concatenate([one.known | one.missing for one in found])
    missing = np.concatenate([one.missing for one in found])[some]
    said = np.concatenate([one.confidence for one in found])[some] < threshold
    right = float((said & missing).sum())
    curve = np.array([(errors <= distance + 1e-9).mean() for distance in DISTANCES])
    return Accuracy(curve, right / max(said.sum(), 1), right / max(missing.sum(), 1), float(missing.mean()))


def sampled(shape: Known) -> Points:
    """The points of a shape that are asked about, POINTS of them."""
    return Points.sampled(shape.surface.positions, shape.surface.triangles, POINTS)
