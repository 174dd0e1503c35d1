"""What every method with one network for all shapes begins with, and what its field is restored around."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.flow.co_moving import CoMoving
from backend.geometry.repair import working_pair
from backend.methods.carried_pair import RigidPair
from backend.methods.field_morph import FieldMorph
from backend.methods.latent_field import LatentField, latent_shapes
from backend.methods.method import Pair
from backend.methods.sequence import poses_of
from backend.methods.targets import frame_of
from backend.training.run import Run
from backend.training.shape_samples import Shape
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


def restored_pair(source: MeshData, target: MeshData, field: Mapping[str, Any]) -> RigidPair:
    """The pair of a stored ``field``."""
    return RigidPair(*working_pair(source, target), CoMoving.from_state(field["frame"]))


def restored_latent(source: MeshData, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> FieldMorph:
    """The morph around a ``LatentField`` whose ``state()`` was ``arrays`` and ``values``."""
    target = FieldMorph.target_of(arrays, values)
    carried = restored_pair(source, target, values["field"])
    return FieldMorph(source, target, LatentField.restored(carried, arrays, values["field"]), values["resolution"])
