"""Morphs of balls, and what cameras see of ellipses."""

from __future__ import annotations

import numpy as np
import pytest

from backend.flow.co_moving import CoMoving
from backend.geometry.repair import working_mesh
from backend.geometry.sides import sides_of
from backend.guidance.view import View
from backend.methods.carried_pair import RigidPair
from backend.methods.field_morph import FieldMorph
from backend.methods.method import Morph
from backend.methods.sdf_fields import BlendedField
from backend.pipeline import Trained, train
from backend.rendering.camera import Camera
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.messages import MorphRequest
from tests.meshes import icosphere
from tests.methods.conftest import request_for
from tests.one_thread import one_thread as one_thread

SIDE = 128  # pixels
AWAY = 12.0  # of the cameras, from the origin
FOCAL = 500.0  # pixels
WIDE = 150.0  # the same, of cameras that see three times as much


def camera(axis: int = 2, focal: float = FOCAL) -> Camera:
    """A camera on an axis that looks at the origin, the next axis to its right."""
    rows = np.roll(np.eye(3), axis + 1, axis=1)  # right, down, along the view
    matrix = np.eye(4)
    matrix[:3, :3] = [rows[0], -rows[1], -rows[2]]
    matrix[2, 3] = AWAY
    return Camera(matrix[None], np.full((1, 2), focal), np.full((1, 2), SIDE / 2), SIDE, SIDE)


def pixels(focal: float = FOCAL) -> tuple[np.ndarray, np.ndarray]:
    """Right and up of every pixel's middle from the image's [SIDE, SIDE], in lengths at the origin."""
    at = (np.arange(SIDE) + 0.5 - SIDE / 2) * AWAY / focal
    return np.meshgrid(at, -at)


def ellipse(
    right: float, up: float, *, at: tuple[float, float] = (0.0, 0.0), axis: int = 2, focal: float = FOCAL
) -> View:
    """The mask of an ellipse with these half axes, as the camera on ``axis`` would see it at the origin's depth."""
    x, y = pixels(focal)
    inside = ((x - at[0]) / right) ** 2 + ((y - at[1]) / up) ** 2 < 1.0
    return View(inside.astype(np.float32), camera(axis, focal))


def ring(outer: float, inner: float) -> View:
    """The mask of a disc with a hole."""
    x, y = pixels()
    from_middle = np.hypot(x, y)
    return View(((from_middle < outer) & (from_middle > inner)).astype(np.float32), camera())


def ball(radius: float = 1.0, level: int = 3) -> MeshData:
    mesh = icosphere(level)
    return mesh.with_positions(radius * mesh.positions())


def growing() -> tuple[Trained, MorphRequest]:
    """A ball of radius 0.8 that grows to 1.2 with its own faces."""
    request = request_for((ball(0.8), ball(1.2)), "linear")
    return train(request, Run()), request


def growing_field(source: MeshData | None = None, resolution: int = 40) -> FieldMorph:
    """The same as the blend of two distances, in a frame that rests."""
    first, last = source or ball(0.8, 2), ball(1.2, 2)
    a, b = working_mesh(first, "source"), working_mesh(last, "target")
    rigid = RigidPair(a, b, CoMoving((0.0, 0.0, 0.0), 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 1.0))
    sides = sides_of(a.positions, a.triangles), sides_of(b.positions, b.triangles)
    return FieldMorph(first, last, BlendedField(rigid, sides), resolution)


def same(first: Morph, second: Morph, t: float) -> bool:
    """Whether two morphs have the same frame, bit for bit."""
    one, two = first.frame(t), second.frame(t)
    return one.vertices.tobytes() == two.vertices.tobytes() and one.same_faces(two)


@pytest.fixture(scope="session")
def grown() -> tuple[Trained, MorphRequest]:
    return growing()
