"""What a shape space is trained on: points of every shape, all of them in the frame of the space."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from backend.geometry.arrays import Float64
from backend.geometry.shape import Shape, UnitFrame
from backend.training import shape_samples
from backend.training.shape_samples import ShapeSamples, sample_shapes
from protocol.mesh import MeshError

FEWEST = 4  # points of a cloud
FAR = 0.1  # of the diagonal: as far as vertices may move from a shape to its neighbour, on average


@dataclass(frozen=True, eq=False)
class NamedShape:
    """A shape of a space, in object space."""

    name: str
    shape: Shape  # a mesh or a point cloud, in 3D


def means_of(shapes: Sequence[NamedShape]) -> tuple[list[NamedShape], list[tuple[int, int]]]:
    """The mean, vertex by vertex, of each two neighbours that share their faces, and the numbers of the two.

    Where they are far from each other there is none: the mean of a limb before and after a long turn is no limb.
    """
    means, parents = [], []
    for k, (before, after) in enumerate(itertools.pairwise(shapes)):
        a, b = before.shape, after.shape
        if a.triangles is None or b.triangles is None or a.points.shape != b.points.shape:
            continue
        moved = np.linalg.norm(b.points - a.points, axis=1).mean()
        if np.array_equal(a.triangles, b.triangles) and moved < FAR * np.linalg.norm(np.ptp(a.used(), axis=0)):
            means.append(NamedShape(f"{before.name} | {after.name}", replace(a, points=(a.points + b.points) / 2)))
            parents.append((k, k + 1))
    return means, parents


def surface_of(shape: Shape, frame: UnitFrame) -> shape_samples.Shape:
    """The surface of a mesh and what is inside of it, in the frame."""
    assert shape.triangles is not None
    return shape_samples.Shape.of(frame.enter(shape.points), shape.triangles)


def samples_of(
    shapes: Sequence[NamedShape],
    frame: UnitFrame,
    box: tuple[Float64, Float64],  # low and high corner [3], in the frame
    seed: int,
    *,
    check: Callable[[int, int], None] = lambda step, steps: None,  # called often; may raise to stop
) -> list[ShapeSamples]:
    """Samples of every shape over one box, those of one no others whatever lies beside it.

    A mesh has known distances around it, signed. A cloud has its points alone, and normals where it brings them;
    normals of length 0 are not known.
    """
    found = []
    for number, named in enumerate(shapes):
        rng = np.random.default_rng((seed, number))

        def looked(number: int = number) -> None:
            check(number, len(shapes))

        looked()
        if named.shape.kind == "mesh":
            surface = surface_of(named.shape, frame)
            cpu = torch.device("cpu")
            found += sample_shapes([surface], rng, cpu, labels=True, around=False, box=box, check=looked)
        else:
            found.append(_of_cloud(named, frame, rng))
    return found


def _of_cloud(named: NamedShape, frame: UnitFrame, rng: np.random.Generator) -> ShapeSamples:
    if named.shape.kind != "cloud" or named.shape.dimension != 3 or len(named.shape.points) < FEWEST:
        raise MeshError(
            f"{named.name}: a shape space takes meshes and point clouds in space of {FEWEST} points or more"
        )
    points = frame.enter(named.shape.points)
    chosen = rng.permutation(len(points))[: shape_samples.SURFACE]
    given = named.shape.normals
    normals = np.zeros_like(points) if given is None else given
    on, facing = _tensor(points[chosen]), _tensor(normals[chosen])
    return ShapeSamples(on, facing, on, _tensor(np.zeros((0, 3))), torch.zeros(0), torch.zeros(0))


def _tensor(values: Float64) -> torch.Tensor:
    return torch.as_tensor(values, dtype=torch.float32)
