"""What a decoder is trained on: exact samples of meshes, or those of a published dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from backend.geometry.shape import Shape, UnitFrame
from backend.surfaces.known_mesh import KnownMesh
from backend.surfaces.mesh_sdf.between import Between
from backend.surfaces.mesh_sdf.samples import (
    Samples,
    frame_in_ball,
    places_around,
    read_side,
    samples_of,
)
from backend.surfaces.mesh_sdf.settings import DecoderSettings
from protocol.mesh import MeshError

SHARED = 20_000  # points around each shape whose distance to every shape is known, and as many in the box
TEST = 20_000  # points around each shape that the result is measured at
IDENTITY = UnitFrame(np.zeros(3), 1.0)

Check = Callable[[int, int], None]  # step and steps; may raise to stop


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Of K shapes, all in the frame of the decoder."""

    names: tuple[str, ...]
    frames: tuple[UnitFrame, ...]  # where each was before
    samples: tuple[tuple[Samples, Samples], ...]  # outside and inside of each
    test: tuple[tuple[Samples, Samples], ...] = ()  # as many again that are not trained on; none of published ones
    meshes: tuple[KnownMesh, ...] = ()  # none of published samples

    def between(
        self, settings: DecoderSettings, pairs: Sequence[tuple[int, int]], seed: int, device: torch.device
    ) -> Between | None:
        """What a way between the shapes of each pair is trained on; None where none is wanted or known."""
        if not settings.between or not self.meshes or not pairs:
            return None
        rng = np.random.default_rng((seed, 2))
        parts = [places_around(mesh, rng, SHARED) for mesh in self.meshes]
        points = np.concatenate([*parts, rng.uniform(-1.0, 1.0, (SHARED, 3))])
        distances = np.stack([mesh.distances(points) for mesh in self.meshes], axis=1)
        given = [torch.as_tensor(array, dtype=torch.float32, device=device) for array in (points, distances)]
        return Between(given[0], given[1], pairs)


def of_shapes(
    shapes: Sequence[tuple[str, Shape]],
    seed: int,
    frames: Sequence[UnitFrame] | None = None,
    check: Check = lambda step, steps: None,
) -> TrainingData:
    """Of named meshes, each in a ball of its own unless its frame is given. Raises ``MeshError`` for clouds."""
    found, test, meshes = [], [], []
    frames = [frame_in_ball(shape.used()) for _, shape in shapes] if frames is None else list(frames)
    for number, ((name, shape), frame) in enumerate(zip(shapes, frames, strict=True)):
        if shape.triangles is None:
            raise MeshError(f"{name}: a decoder is trained on meshes; fit a surface to a cloud first")

        def looked(number: int = number) -> None:
            check(number, len(shapes))

        looked()
        rngs = [np.random.default_rng((seed, part, number)) for part in (0, 1)]
        try:
            mesh = KnownMesh(frame.enter(shape.points), shape.triangles)
            found.append(samples_of(mesh, places_around(mesh, rngs[0]), looked))
            test.append(samples_of(mesh, places_around(mesh, rngs[1], TEST), looked))
        except MeshError as error:
            raise MeshError(f"{name}: {error}") from error
        meshes.append(mesh)
    return TrainingData(tuple(name for name, _ in shapes), tuple(frames), tuple(found), tuple(test), tuple(meshes))


def of_files(files: Sequence[tuple[str, Path]], check: Check = lambda step, steps: None) -> TrainingData:
    """Of named files of published samples, which are in the frame of the decoder as they are."""
    found = []
    for number, (_, path) in enumerate(files):
        check(number, len(files))
        found.append((read_side(path, "pos"), read_side(path, "neg")))
    return TrainingData(tuple(name for name, _ in files), (IDENTITY,) * len(files), tuple(found))
