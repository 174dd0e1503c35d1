"""What a field is trained on at one code: points on a shape and around it, with normals and exact distances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.geometry.arrays import Float64, Int64
from backend.geometry.sampling import sample_surface
from backend.geometry.sides import Sides, sides_of
from backend.geometry.signed_distance import SignedSurface
from backend.geometry.triangles import area_vectors, box_around, unit
from backend.training.surface_samples import spread

SURFACE = 20_000  # points on each shape, as in the paper's preparation
NEAR = 60_000  # points around each shape
FAR = 20_000  # points in the box of all shapes
BETWEEN = 20_000  # points in the box whose distance to every shape is known
SPREADS = (0.005, 0.02, 0.08)  # of the points around a shape, in equal shares; longest side of all shapes
CHUNK = 8_192  # distances computed at once
MARGIN = 0.1  # of the box, in longest sides
NAMES = ("surface", "normals", "local", "points", "distances", "weights")  # of a shape's samples
FLOOR = 0.05  # distance, in longest sides, from where a label counts for less


@dataclass(frozen=True, eq=False)
class Shape:
    """A surface and what is inside of it; lengths of order one."""

    positions: Float64  # [W, 3]
    triangles: Int64  # [T, 3]
    sides: Sides

    @staticmethod
    def of(positions: Float64, triangles: Int64) -> Shape:
        """The shape of a surface, open or closed."""
        return Shape(positions, triangles, sides_of(positions, triangles))


@dataclass(frozen=True, eq=False)
class ShapeSamples:
    """Points of one shape."""

    surface: Tensor  # [S, 3]
    normals: Tensor  # [S, 3], unit, outwards
    local: Tensor  # [S, 3], one around each surface point, or on it where they were not asked for
    points: Tensor  # [N, 3]
    distances: Tensor  # [N], signed
    weights: Tensor  # [N], of the distances: 1 near the surface, falling with the distance

    def draw(self, count: int, known: int, generator: torch.Generator) -> ShapeSamples:
        """``count`` of the surface points and ``known`` of the points with distances, at random."""
        s = torch.randint(len(self.surface), (count,), generator=generator).to(self.surface.device)
        n = torch.randint(max(len(self.points), 1), (known,), generator=generator).to(self.points.device)
        return ShapeSamples(
            self.surface[s], self.normals[s], self.local[s], self.points[n], self.distances[n], self.weights[n]
        )

    def to(self, device: torch.device) -> ShapeSamples:
        """The same on a device."""
        return ShapeSamples(*(getattr(self, name).to(device) for name in NAMES))


@dataclass(frozen=True, eq=False)
class SharedSamples:
    """Points all over the box of K shapes."""

    points: Tensor  # [N, 3]
    distances: Tensor  # [N, K], signed, to every shape

    def draw(self, count: int, generator: torch.Generator) -> SharedSamples:
        """``count`` of them at random."""
        n = torch.randint(len(self.points), (count,), generator=generator).to(self.points.device)
        return SharedSamples(self.points[n], self.distances[n])


def joined(parts: Sequence[ShapeSamples]) -> ShapeSamples:
    """The samples of several shapes one after the other."""
    return ShapeSamples(*(torch.cat([getattr(part, name) for part in parts]) for name in NAMES))


def sample_shapes(
    shapes: Sequence[Shape],
    rng: np.random.Generator,
    device: torch.device,
    *,
    labels: bool,
    around: bool = True,
    box: tuple[Float64, Float64] | None = None,  # low and high corner [3] to know distances in; None: of the shapes
    check: Callable[[], None] = lambda: None,  # called often; may raise to stop
) -> list[ShapeSamples]:
    """Samples of every shape; without ``labels`` no distances, without ``around`` no ``local`` points are computed."""
    box = box or box_of(shapes)
    return [_samples(shape, box, rng, device, labels, around, check) for shape in shapes]


def sample_between(
    shapes: Sequence[Shape],
    rng: np.random.Generator,
    device: torch.device,
    *,
    check: Callable[[], None] = lambda: None,  # called often; may raise to stop
) -> SharedSamples:
    """Samples of all shapes together."""
    points = rng.uniform(*box_of(shapes), (BETWEEN, 3))
    distances = [_distances(shape, points, check) for shape in shapes]
    return SharedSamples(_tensor(points, device), _tensor(np.stack(distances, axis=1), device))


def box_of(shapes: Sequence[Shape]) -> tuple[Float64, Float64]:
    """Low and high corner [3] of the box of all shapes, with a margin."""
    return box_around(np.concatenate([shape.positions for shape in shapes]), MARGIN)


def _samples(
    shape: Shape,
    box: tuple[Float64, Float64],
    rng: np.random.Generator,
    device: torch.device,
    labels: bool,
    around: bool,
    check: Callable[[], None],
) -> ShapeSamples:
    side = float((box[1] - box[0]).max()) / (1.0 + 2.0 * MARGIN)
    face_normals = unit(area_vectors(shape.positions, shape.triangles))
    facing, thickness = shape.sides.facing, shape.sides.thickness
    shown = np.flatnonzero(~shape.sides.buried)

    def on_surface(count: int) -> tuple[Float64, Float64]:
        points, faces, _ = sample_surface(shape.positions, shape.triangles[shown], count, rng)
        faces = shown[faces]
        # A sheet stands for a shell around it: either side, half its thickness away.
        sheet = facing[faces] == 0
        side_of = np.where(sheet, rng.choice([-1.0, 1.0], count), facing[faces])[:, None]
        normals = side_of * face_normals[faces]
        return points + np.where(sheet, thickness / 2, 0.0)[:, None] * normals, normals

    surface, normals = on_surface(SURFACE)
    local = surface
    if around:
        local = surface + spread(torch.as_tensor(surface)).numpy()[:, None] * rng.normal(size=surface.shape)
    points, distances = np.zeros((0, 3)), np.zeros(0)
    if labels:
        base = on_surface(NEAR)[0]
        reaches = side * np.resize(SPREADS, NEAR)[:, None]
        near = base + reaches * rng.normal(size=base.shape)
        points = np.concatenate([near, rng.uniform(*box, (FAR, 3))])
        distances = _distances(shape, points, check)
    weights = FLOOR * side / np.maximum(np.abs(distances), FLOOR * side)

    every = (surface, normals, local, points, distances, weights)
    return ShapeSamples(*(_tensor(values, device) for values in every))


def _distances(shape: Shape, points: Float64, check: Callable[[], None]) -> Float64:
    """Signed distance [N] of points [N, 3]."""
    signed = SignedSurface(shape.positions, shape.triangles, shape.sides)
    found = []
    for part in np.array_split(points, max(len(points) // CHUNK, 1)):
        check()
        found.append(signed(part))
    return np.concatenate(found)


def _tensor(values: Float64, device: torch.device) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32, device=device)
