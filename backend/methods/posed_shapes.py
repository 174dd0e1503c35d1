"""What every method with one network for all shapes begins and ends with, and what its field is restored around."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.flow.co_moving import CoMoving
from backend.geometry.repair import working_pair
from backend.methods.carried_pair import RigidPair
from backend.methods.field_morph import FieldMorph
from backend.methods.latent_error import measure_ends
from backend.methods.latent_field import LatentField, latent_shapes
from backend.methods.method import Pair
from backend.methods.sequence import poses_of
from backend.methods.targets import frame_of
from backend.training.run import Run
from backend.training.shape_samples import Shape, ShapeSamples, SharedSamples, sample_between, sample_shapes
from protocol.mesh import MeshData

Float = NDArray[np.float64]


def posed_shapes(pair: Pair, run: Run) -> tuple[RigidPair, list[Float], list[Shape]]:
    """The pair in one frame, the poses of its stops [W, 3], and all its shapes there, the ends first and last.

    What the artist should know of the ends is told to the run.
    """
    stops = [stop.positions for stop in pair.stops]
    frame = CoMoving.through(poses_of(pair)) if stops else frame_of(pair, run)
    carried = RigidPair(pair.source_surface, pair.target_surface, frame)
    shapes = latent_shapes(carried, stops)
    for role, shape in (("source", shapes[0]), ("target", shapes[-1])):
        for sentence in shape.sides.said(role):
            run.warn(sentence)
    return carried, stops, shapes


def legs(shapes: Sequence[Shape]) -> list[tuple[int, int]]:
    """The numbers of each two shapes that follow each other in time."""
    return list(pairwise(range(len(shapes))))


def sampled(
    shapes: Sequence[Shape], run: Run, *, labels: bool, between: bool
) -> tuple[list[ShapeSamples], SharedSamples | None]:
    """Samples of every shape, with known distances or without, and where they are wanted those between the shapes."""
    rng = np.random.default_rng(run.seed)

    def check() -> None:
        run.progress(0, 0)

    with run.phase("sampling"):
        samples = sample_shapes(shapes, rng, run.device, labels=labels, around=False, check=check)
        return samples, sample_between(shapes, rng, run.device, check=check) if between else None


def latent_morph(pair: Pair, field: Callable[[bool], LatentField], correction: bool, run: Run) -> FieldMorph:
    """The morph of a trained network. How far that is from the ends is told, and with ``correction`` taken away.

    ``field`` makes the field of the network, with such a correction or without.
    """
    with run.phase("correcting"):
        trained = field(correction)
        measure_ends(trained, run)
    return FieldMorph(pair.source, pair.target, trained)


def restored_pair(source: MeshData, target: MeshData, field: Mapping[str, Any]) -> RigidPair:
    """The pair of a stored ``field``."""
    return RigidPair(*working_pair(source, target), CoMoving.from_state(field["frame"]))


def restored_latent(source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> FieldMorph:
    """The morph around a ``LatentField`` whose ``state()`` was ``arrays`` and ``values``."""
    target = FieldMorph.target_of(arrays, values)
    carried = restored_pair(source, target, values["field"])
    return FieldMorph(source, target, LatentField.restored(carried, arrays, values["field"]), values["resolution"])
