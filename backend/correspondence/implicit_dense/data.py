"""What the networks are trained on: surface points and points of known occupancy, made from meshes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from backend.correspondence.alignment import coarse_alignment
from backend.geometry.arrays import Float64, Int64
from backend.geometry.normalise import Similarity
from backend.geometry.repair import WorkingMesh
from backend.geometry.sampling import sample_surface
from backend.geometry.signed_distance import SignedSurface
from backend.geometry.triangles import area_vectors, unit

SURFACE = 8192  # points of every shape
AROUND = {16: 4096, 32: 8192, 64: 16_384}  # points of every shape by the resolution of their grid
NEAR = 0.75  # share of them in cells that the surface is near to; the rest is anywhere
CLOSE = 1.5  # diagonals of a cell: the surface is near to its eight parts
EIGHT = np.stack(np.meshgrid(*[[0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)  # of a cell, [8, 3]


@dataclass(frozen=True, eq=False)
class ShapeData:
    """One shape in a box around the origin with diagonal 1."""

    points: Float64  # [SURFACE, 3]
    normals: Float64  # [SURFACE, 3], unit
    around: dict[int, Float64]  # [N, 4], place and occupancy, by resolution
    box: Float64  # [3], sides


def placed(surface: WorkingMesh, reference: WorkingMesh | None = None) -> Similarity:
    """What takes a mesh into the box that the networks know: centred, diagonal 1, turned like ``reference``."""
    rotation = np.eye(3)
    if reference is not None:
        rotation = coarse_alignment(reference, surface, lambda step, steps: None).rotation
    used = surface.positions[np.unique(surface.triangles)] @ rotation.T
    low, high = used.min(axis=0), used.max(axis=0)
    scale = 1.0 / float(np.linalg.norm(high - low))
    return Similarity(rotation, scale, -scale * (low + high) / 2)


def shape_data(positions: Float64, triangles: Int64, seed: int) -> ShapeData:
    """Samples of a mesh that is placed already."""
    rng = np.random.default_rng(seed)
    points, faces, _ = sample_surface(positions, triangles, SURFACE, rng)
    normals = unit(area_vectors(positions, triangles))[faces]
    distance = SignedSurface(positions, triangles)
    box = np.ptp(positions[np.unique(triangles)], axis=0)
    return ShapeData(points, normals, _around(distance, rng), box)


def _around(distance: Callable[[Float64], Float64], rng: np.random.Generator) -> dict[int, Float64]:
    """Middles of grid cells over the unit box and whether they are inside; the finer ones mostly near the surface."""
    first = min(AROUND)
    cells = np.stack(np.meshgrid(*[np.arange(first)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    found: dict[int, Float64] = {}
    value = np.zeros(0)
    for resolution, count in AROUND.items():
        if found:
            near = np.abs(value) < CLOSE * np.sqrt(3.0) * 2 / resolution
            parts = (2 * cells[near][:, None] + EIGHT).reshape(-1, 3)
            chosen = rng.permutation(len(parts))[: int(NEAR * count)]
            cells = np.concatenate([parts[chosen], rng.integers(resolution, size=(count - len(chosen), 3))])
        middles = (cells + 0.5) / resolution - 0.5
        value = distance(middles)
        found[resolution] = np.concatenate([middles, (value < 0.0)[:, None]], axis=1)
    return found


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples of S shapes."""

    points: Tensor  # [S, P, 3], surface
    normals: Tensor  # [S, P, 3]
    around: Tensor  # [S, N, 3]
    inside: Tensor  # [S, N], 1 inside


class Collection:
    """The samples of all shapes, on the device."""

    def __init__(self, shapes: Sequence[ShapeData], device: torch.device) -> None:
        def stacked(arrays: Sequence[Float64]) -> Tensor:
            return torch.as_tensor(np.stack(arrays), dtype=torch.float32, device=device)

        def inside_first(samples: Float64) -> Float64:
            return samples[np.argsort(-samples[:, 3], kind="stable")]

        self.count = len(shapes)
        self._points = stacked([shape.points for shape in shapes])
        self._normals = stacked([shape.normals for shape in shapes])
        self._around = {r: stacked([inside_first(shape.around[r]) for shape in shapes]) for r in AROUND}
        self._inside = {r: self._around[r][..., 3].sum(dim=1) for r in AROUND}  # how many, [S]
        self._boxes = stacked([shape.box for shape in shapes])

    def draw(self, shapes: Tensor, cloud: int, around: int, resolution: int, generator: torch.Generator) -> Batch:
        """Random samples of some shapes [S]; as many inside as outside."""
        surface = torch.randint(self._points.shape[1], (len(shapes), cloud), generator=generator)
        grid = self._around[resolution]
        chance = torch.rand((len(shapes), around), generator=generator)
        of, surface, chance = (values.to(grid.device) for values in (shapes[:, None], surface, chance))
        samples = grid[of, _halves(chance, self._inside[resolution][of], grid.shape[1])]
        return Batch(self._points[of, surface], self._normals[of, surface], samples[..., :3], samples[..., 3])

    def warp(self, shapes: Tensor, stretch: tuple[float, float], knots: int, generator: torch.Generator) -> Warp:
        """Random growth of some shapes [S]."""
        low, high = stretch
        chance = torch.rand((len(shapes), 3, knots), generator=generator)
        slopes = (low + (high - low) * chance) if knots == 1 else low * (high / low) ** chance
        return Warp.of(slopes.to(self._boxes), self._boxes[shapes.to(self._boxes.device)])


def _halves(chance: Tensor, inside: Tensor, count: int) -> Tensor:
    """Rows [S, N] by numbers in 0..1 [S, N]: the lower half of these among the first rows, ``inside`` [S, 1] many."""
    first = torch.where(inside > 0, 0.5, 0.0)
    low = chance < first
    row = torch.where(low, chance / first * inside, inside + (chance - first) / (1.0 - first) * (count - inside))
    return row.long().clamp(max=count - 1)


@dataclass(frozen=True, eq=False)
class Warp:
    """Every axis of a shape grows piece by piece; its box stays in the middle, and its diagonal is 1 again."""

    edges: Tensor  # [S, 3, K + 1], ends of the pieces, before
    slopes: Tensor  # [S, 3, K]
    starts: Tensor  # [S, 3, K], where the pieces begin afterwards

    @staticmethod
    def of(slopes: Tensor, boxes: Tensor) -> Warp:
        """From growths [S, 3, K] and the sides of the boxes [S, 3]."""
        knots = slopes.shape[2]
        shares = torch.linspace(-0.5, 0.5, knots + 1, device=slopes.device)
        edges = boxes[..., None] * shares
        length = (boxes[..., None] / knots * slopes).sum(-1)  # [S, 3]
        slopes = slopes / length.norm(dim=1)[:, None, None]
        steps = boxes[..., None] / knots * slopes
        starts = steps.cumsum(-1) - steps - steps.sum(-1, keepdim=True) / 2
        return Warp(edges, slopes, starts)

    def __call__(self, points: Tensor) -> Tensor:
        """Where points [S, N, 3] of the shapes come to lie."""
        piece = self._piece(points)
        edges, starts, slopes = (_of(values, piece) for values in (self.edges[..., :-1], self.starts, self.slopes))
        return starts + slopes * (points - edges)

    def normals(self, points: Tensor, normals: Tensor) -> Tensor:
        """The unit normals afterwards [S, N, 3]."""
        return torch.nn.functional.normalize(normals / _of(self.slopes, self._piece(points)), dim=-1)

    def batch(self, batch: Batch) -> Batch:
        """The samples of the same shapes afterwards."""
        return Batch(self(batch.points), self.normals(batch.points, batch.normals), self(batch.around), batch.inside)

    def _piece(self, points: Tensor) -> Tensor:
        inner = self.edges[..., 1:-1]  # [S, 3, K - 1]
        return (points[..., None] > inner[:, None]).sum(-1)  # [S, N, 3]


def _of(values: Tensor, piece: Tensor) -> Tensor:
    """values [S, 3, K] of the pieces [S, N, 3] that points are in, [S, N, 3]."""
    return values.gather(2, piece.transpose(1, 2)).transpose(1, 2)
