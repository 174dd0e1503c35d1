"""``measure``: how good a fitted field is, for its report; lengths in percent of the diagonal of the shape's box."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from backend.geometry.arrays import Float64, Int64
from backend.geometry.distance import closest_on_surface
from backend.geometry.metrics import topology
from backend.geometry.sampling import sample_segments, sample_surface
from backend.geometry.shape import Shape, UnitFrame
from backend.geometry.triangles import unit
from backend.surfaces.dataset import Dataset
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.extraction import known_shape
from backend.surfaces.known_shape import KnownShape
from backend.surfaces.queries.contour import contours
from backend.surfaces.queries.isosurface import Surface, isosurface
from backend.training.run import Run

Level = Surface | Sequence[Float64]  # a mesh, or closed loops [K, 2]

CELLS = {2: 1000, 3: 192}  # along the longest side, by the dimension
NEAR = 0.02  # of the diagonal: as far from the shape as "near" goes
AROUND = 0.1  # of the diagonal, by which the box of the shape is grown
NEAR_PAIRS = 10  # one pair in so many is of two points near each other
CLOSEST, FARTHEST = 1e-5, 0.1  # distance of such two points, of the diagonal
BATCH = 4096  # points


@dataclass(frozen=True, eq=False)
class _Truth:
    """What the field is measured against, in object space."""

    shape: KnownShape | None  # exact distances; of a cloud there are none
    frame: UnitFrame
    points: Float64 | None = None  # [P, D] on the shape, where that is all that is known of it
    tests: tuple[Float64, Float64] | None = None  # points [M, D] and their distances [M] that a dataset brought

    def distances(self, points: Float64) -> Float64 | None:
        """Exact distances [N] to points [N, D], where they are known."""
        if self.shape is None:
            return None
        return self.frame.length * self.shape.distances(self.frame.enter(points))

    def on_shape(self, count: int, rng: np.random.Generator) -> Float64 | None:
        """At most ``count`` points [N, D] of the shape, at random."""
        if self.shape is not None:
            return self.frame.leave(self.shape.on_surface(count, rng)[0])
        if self.points is None:
            return None
        return np.asarray(self.points[rng.permutation(len(self.points))[:count]])


def measure(
    field: DistanceField,
    of: Shape | Dataset,
    *,
    surface: Level | None = None,
    resolution: int | None = None,
    samples: int = 20_000,
    pairs: int = 100_000,
    seed: int = 0,
) -> dict[str, Any]:
    """What ``report.json`` says of a field, against the shape or the dataset it was fitted to.

    ``surface``: its level where that is extracted already, otherwise it is with ``resolution`` cells. ``samples``
    points are drawn for every figure, ``pairs`` of points for the Lipschitz constant. Figures of which no truth is
    known, as the sign around a point cloud, are None.
    """
    rng = np.random.default_rng(seed)
    truth = _truth(of)
    if surface is None:
        extract = isosurface if field.dimension == 3 else contours
        surface = extract(field, field.level, resolution or CELLS[field.dimension])
    positions, elements = _joined(surface, field.dimension)
    places = _places(field, truth, samples, rng)
    return {
        "level": field.level,
        "diagonal": field.diagonal,
        **_distances(field, truth, positions, elements, samples, rng),
        **_parts(positions, elements),
        **{f"{what}_{name}": found for name, place in places.items() for what, found in _values(field, *place).items()},
        "lipschitz": lipschitz_constant(field, pairs, seed),
        "lipschitz_pairs": pairs,
    }


def lipschitz_constant(field: DistanceField, pairs: int, seed: int = 0) -> float:
    """The largest |f(x) - f(y)| / |x - y| over random pairs in the box around the shape.

    One pair in ten is of two points near each other, 1e-5 to 0.1 diagonals apart. The network is evaluated in double
    precision, since the rounding of its values would be taken for slope there.
    """
    rng = np.random.default_rng(seed)
    count = max(pairs // NEAR_PAIRS, 1)
    first = _in_box(field, count, rng)
    away = CLOSEST * (FARTHEST / CLOSEST) ** rng.random((count, 1)) * field.diagonal
    points = np.concatenate([first, first + away * _directions(count, field.dimension, rng)])
    network = copy.deepcopy(field.network).cpu().double()  # not every device has doubles
    inward = torch.as_tensor(field.frame.enter(points), dtype=torch.float64)
    with torch.no_grad():
        values = torch.cat([network(part) for part in torch.split(inward, BATCH)]).numpy()
    values = values * field.frame.length
    a = np.concatenate([np.arange(count), rng.integers(2 * count, size=pairs - count)])
    b = np.concatenate([np.arange(count, 2 * count), rng.integers(2 * count, size=pairs - count)])
    a, b = a[a != b], b[a != b]
    return float((np.abs(values[a] - values[b]) / np.linalg.norm(points[a] - points[b], axis=1)).max())


def _truth(of: Shape | Dataset) -> _Truth:
    if isinstance(of, Shape):
        frame = UnitFrame.around(of.used())
        return _Truth(None, frame, of.points) if of.kind == "cloud" else _Truth(known_shape(of, Run()), frame)
    if of.shape is not None and of.shape.exact:
        return _Truth(of.shape, of.frame)
    on = of.arrays.get("on")
    if on is None and "distances" in of.arrays:
        on = of.arrays["points"][of.arrays["distances"] == 0.0]
    points = None if on is None or not len(on) else of.frame.leave(on)
    if of.test_points is None or of.test_distances is None:
        return _Truth(None, of.frame, points)
    return _Truth(None, of.frame, points, (of.frame.leave(of.test_points), of.frame.length * of.test_distances))


def _joined(surface: Level, dimension: int) -> tuple[Float64, Int64]:
    """Positions [V, D] and triangles [T, 3] or segments [S, 2] of a level."""
    if isinstance(surface, tuple):
        return surface
    positions = np.concatenate([np.zeros((0, dimension)), *surface])
    ends = np.cumsum([len(loop) for loop in surface], dtype=np.int64)
    first = np.setdiff1d(np.arange(len(positions)), ends - 1)
    return positions, np.stack([first, first + 1], axis=1)


def _places(
    field: DistanceField, truth: _Truth, samples: int, rng: np.random.Generator
) -> dict[str, tuple[Float64, Float64 | None]]:
    """Points [N, D] near the shape and in the box around it, and their exact distances [N] where they are known."""
    reach = NEAR * field.diagonal
    if truth.tests is not None:
        points, exact = truth.tests
        close = (np.abs(exact) <= reach) & (exact != 0.0)  # points on the shape have no side
        far = np.abs(exact) > reach
        return {"near": (points[close], exact[close]), "box": (points[far], exact[far])}
    box = _in_box(field, samples, rng)
    on = truth.on_shape(samples, rng)
    if on is None:
        return {"near": (box[:0], None), "box": (box, None)}
    away = reach * rng.random((len(on), 1)) ** (1 / field.dimension)  # uniform in a ball
    near = on + away * _directions(len(on), field.dimension, rng)
    return {"near": (near, truth.distances(near)), "box": (box, truth.distances(box))}


def _in_box(field: DistanceField, samples: int, rng: np.random.Generator) -> Float64:
    room = AROUND * field.diagonal
    return np.asarray(rng.uniform(field.low - room, field.high + room, (samples, field.dimension)))


def _directions(count: int, dimension: int, rng: np.random.Generator) -> Float64:
    """Unit vectors [N, D], uniform."""
    return unit(rng.normal(size=(count, dimension)))


def _distances(
    field: DistanceField,
    truth: _Truth,
    positions: Float64,
    elements: Int64,
    samples: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Exact distances between the level and the shape, point to surface, both ways.

    The level of an unsigned field stands off from the shape by design; that offset is taken off.
    """
    offset = 0.0 if field.signed else field.level
    there = back = None
    on = truth.on_shape(samples, rng)
    if len(elements) and on is not None:
        back = np.abs(closest_on_surface(on, positions, elements)[0] - offset)
    if len(elements) and (exact := truth.distances(_samples(positions, elements, samples, rng))) is not None:
        there = np.abs(np.abs(exact) - offset)
    both = None if there is None or back is None else (there.mean() + back.mean()) / 2
    percent = 100.0 / field.diagonal
    return {
        "chamfer_percent": None if both is None else percent * float(both),
        "to_shape_percent": None if there is None else percent * float(there.mean()),
        "to_shape_largest_percent": None if there is None else percent * float(there.max()),
        "from_shape_percent": None if back is None else percent * float(back.mean()),
        "from_shape_largest_percent": None if back is None else percent * float(back.max()),
    }


def _samples(positions: Float64, elements: Int64, count: int, rng: np.random.Generator) -> Float64:
    """Points [N, D], uniform on a mesh or on loops."""
    if elements.shape[1] == 3:
        return sample_surface(positions, elements, count, rng)[0]
    return sample_segments(positions, elements, count, rng)[0]


def _parts(positions: Float64, elements: Int64) -> dict[str, Any]:
    if elements.shape[1] == 3:
        return topology(len(positions), elements)
    last = np.setdiff1d(np.arange(len(positions)), elements[:, 0])  # of every loop
    first = np.concatenate([np.zeros(1, np.int64), last + 1])[: len(last)]
    closed = len(last) > 0 and np.array_equal(positions[first], positions[last])
    return {"points": len(elements), "closed": closed, "components": len(last)}


def _values(field: DistanceField, points: Float64, exact: Float64 | None) -> dict[str, Any]:
    """How often the sign is right, how far values are from the distance on average, how long the gradient is."""
    if not len(points):
        return {"sign": None, "error_percent": None, "gradient": None}
    values, gradients = field.values_and_gradients(points)
    length = np.linalg.norm(gradients, axis=1)
    low, high = (float(bound) for bound in np.quantile(length, [0.01, 0.99]))
    longest = float(length.max())
    facts = {"mean": float(length.mean()), "std": float(length.std()), "p1": low, "p99": high, "max": longest}
    if exact is None:
        return {"sign": None, "error_percent": None, "gradient": facts}
    right = float(((values < field.level) == (exact < 0.0)).mean()) if field.signed else None
    off = np.abs(values - (exact if field.signed else np.abs(exact)))
    return {"sign": right, "error_percent": 100.0 * float(off.mean()) / field.diagonal, "gradient": facts}
