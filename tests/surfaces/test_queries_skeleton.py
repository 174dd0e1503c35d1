"""The skeleton of shapes whose skeleton is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.geometry.shape import UnitFrame
from backend.surfaces.distance_field import DistanceField
from backend.surfaces.queries.skeleton import skeleton
from protocol.settings import SettingError
from tests.surfaces.analytic import Balls, balls, ring


@pytest.mark.parametrize("resolution", [48, 96])
def test_the_skeleton_of_a_torus_is_a_circle(resolution: int) -> None:
    points = skeleton(ring(), resolution=resolution)
    off = np.hypot(np.hypot(points[:, 0], points[:, 1]) - 2.0, points[:, 2])
    assert off.max() < 0.1 * 5.4 / resolution
    cell = 5.4 / resolution
    assert 0.5 * 4 * np.pi / cell < len(points) < 2.0 * 4 * np.pi / cell
    turns = np.sort(np.arctan2(points[:, 1], points[:, 0]))
    assert np.diff(turns).max() * 2.0 < 2.0 * cell  # no gap in it


class _Rounded(Balls):
    """A torus of radii 0.66 and 0.24 whose field is rounded off inside, as a network's is: no sharp ridge."""

    def forward(self, points: Tensor) -> Tensor:
        around = torch.linalg.norm(points[:, :2], dim=1) - 0.66
        return torch.sqrt(around**2 + points[:, 2] ** 2 + 0.1**2) - 0.26


def test_of_a_rounded_field_it_is_as_thin() -> None:
    """The gradient is below one half as far as 0.058 from the circle, four cells."""
    frame = UnitFrame(np.zeros(3), 1.0)
    box = np.array([0.9, 0.9, 0.24])
    points = skeleton(DistanceField(_Rounded(torch.zeros(1, 3), torch.ones(1)), frame, -box, box), resolution=128)
    off = np.hypot(np.hypot(points[:, 0], points[:, 1]) - 0.66, points[:, 2])
    assert off.max() < 0.1 * 1.8 / 128
    assert len(points) > 0.66 * 2 * np.pi / (1.8 / 128)


def test_the_skeleton_of_balls_is_their_middles() -> None:
    for shapes in (((0.0, 0.0, 1.0), (3.0, 0.1, 0.5)), ((0.0, 0.0, 0.0, 1.0), (3.0, 0.1, 0.2, 0.5))):
        points = skeleton(balls(*shapes))
        middles = np.array(shapes)[:, :-1]
        off = np.linalg.norm(points[:, None] - middles, axis=2)
        assert off.min(axis=1).max() < 0.01
        assert off.min(axis=0).max() < 0.01


class _Box(Balls):
    """Exact distance to the box of half sides 0.9, 0.3, in the unit frame."""

    def forward(self, points: Tensor) -> Tensor:
        over = points.abs() - torch.tensor([0.9, 0.3])
        return over.clamp(min=0.0).norm(dim=1) + over.max(dim=1).values.clamp(max=0.0)


def test_of_a_long_box_it_is_the_middle_line_and_not_the_corners() -> None:
    """The ridges to the corners have a gradient of length cos 45 degrees; a greater bound takes them in."""
    field = balls((-1.0, 0.0, 0.5), (1.0, 0.0, 0.5))
    box = replace(
        field,
        network=_Box(torch.zeros(1, 2), torch.ones(1)),
        low=field.frame.leave(np.array([[-0.9, -0.3]]))[0],
        high=field.frame.leave(np.array([[0.9, 0.3]]))[0],
    )
    points = field.frame.enter(skeleton(box))
    assert np.abs(points[:, 1]).max() < 1e-4
    assert points[:, 0].max() == pytest.approx(0.6, abs=0.02)
    assert points[:, 0].min() == pytest.approx(-0.6, abs=0.02)
    corners = field.frame.enter(skeleton(box, longest=0.9))
    beyond = corners[np.abs(corners[:, 0]) > 0.65]
    assert len(beyond) > 20
    np.testing.assert_allclose(np.abs(beyond[:, 1]), np.abs(beyond[:, 0]) - 0.6, atol=0.02)


def test_what_cannot_be_asked_is_said() -> None:
    with pytest.raises(SettingError, match="no inside"):
        skeleton(balls((0, 0, 0, 1.0), signed=False, level=0.1))
    with pytest.raises(SettingError, match="a gradient of 0"):
        skeleton(ring(), longest=0.0)
    assert len(skeleton(ring(), resolution=5)) == 0  # thinner than three cells
