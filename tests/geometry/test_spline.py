"""Splines of values and rotations, and the gradient-domain path through several poses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from backend.geometry.gradient_domain import GradientDomain, GradientDomainPath
from backend.geometry.pose_path import GradientDomainSpline, path_through
from backend.geometry.spline import RotationSpline, Spline, leg_at
from tests.meshes import rotation
from tests.methods.poses import bar, bent

KNOTS = np.random.default_rng(0).normal(size=(5, 3, 3))


def turning(spline: RotationSpline, progress: float, legs: int) -> np.ndarray:
    return spline.at(*leg_at(progress, legs))


def test_legs_are_found_within_rounding():
    assert leg_at(0.0, 3) == (0, 0.0)
    assert leg_at(1.0, 3) == (2, 1.0)
    for leg in range(1, 7):
        assert leg_at(leg / 7 * (1 + 1e-15), 7) == (leg, 0.0)
    leg, share = leg_at(0.5, 3)
    assert leg == 1
    assert share == pytest.approx(0.5)


def test_values_are_met_and_pass_with_one_velocity():
    spline = Spline(KNOTS)
    for leg in range(4):
        np.testing.assert_allclose(spline.at(leg, 0.0), KNOTS[leg], atol=1e-15)
        np.testing.assert_allclose(spline.at(leg, 1.0), KNOTS[leg + 1], atol=1e-15)
    h = 1e-6
    for leg in range(3):
        before = (spline.at(leg, 1.0) - spline.at(leg, 1.0 - h)) / h
        after = (spline.at(leg + 1, h) - spline.at(leg + 1, 0.0)) / h
        np.testing.assert_allclose(before, after, atol=1e-4)
    bend = spline.at(0, 2e-3) - 2 * spline.at(0, 1e-3) + spline.at(0, 0.0)
    assert np.abs(bend).max() < 1e-7  # no second derivative at the ends


def test_two_values_give_a_straight_line():
    np.testing.assert_allclose(Spline(KNOTS[:2]).at(0, 0.3), 0.7 * KNOTS[0] + 0.3 * KNOTS[1], atol=1e-14)


def test_a_turn_at_a_constant_rate_is_reproduced():
    axis = np.array([1.0, -2.0, 0.5]) / np.linalg.norm([1.0, -2.0, 0.5])
    turns = Rotation.from_rotvec(np.array([0.0, 2.0, 4.0, 6.0])[:, None] * axis).as_matrix()
    spline = RotationSpline(turns[:, None])
    for progress in (0.1, 0.4, 0.5, 0.9):
        wanted = Rotation.from_rotvec(6.0 * progress * axis).as_matrix()
        np.testing.assert_allclose(turning(spline, progress, 3)[0], wanted, atol=1e-12)


def test_rotations_are_met_and_turn_with_one_velocity():
    rotations = Rotation.from_rotvec(0.6 * KNOTS.reshape(15, 3)).as_matrix().reshape(5, 3, 3, 3)
    spline = RotationSpline(rotations)
    for leg in range(4):
        np.testing.assert_allclose(spline.at(leg, 0.0), rotations[leg], atol=1e-12)
        np.testing.assert_allclose(spline.at(leg, 1.0), rotations[leg + 1], atol=1e-12)
    h = 1e-6
    for leg in range(3):
        before = (spline.at(leg, 1.0) - spline.at(leg, 1.0 - h)) / h
        after = (spline.at(leg + 1, h) - spline.at(leg + 1, 0.0)) / h
        np.testing.assert_allclose(before, after, atol=1e-4)


def test_the_whole_decides_which_way_round_a_part_goes():
    rotations = np.stack([np.eye(3), rotation([0, 0, 1], 190.0)])[:, None]
    short, long = RotationSpline(rotations), RotationSpline(rotations, np.array([[0.0, 0.0, np.radians(150.0)]]))
    np.testing.assert_allclose(short.at(0, 0.5)[0], rotation([0, 0, 1], -85.0), atol=1e-12)
    np.testing.assert_allclose(long.at(0, 0.5)[0], rotation([0, 0, 1], 95.0), atol=1e-12)


@pytest.fixture(scope="module")
def bending() -> tuple[GradientDomain, list[np.ndarray]]:
    mesh = bar()
    start = mesh.positions()
    return GradientDomain(start, mesh.triangles()), [bent(start, angle) for angle in (0.4, 1.2, 2.4)]


def test_one_pose_is_the_plain_path(bending):
    domain, poses = bending
    path = path_through(domain, poses[:1])
    assert isinstance(path, GradientDomainPath)
    spline = GradientDomainSpline(domain, poses[:1])
    np.testing.assert_allclose(spline.positions(0.3), path.positions(0.3), atol=1e-9)


def test_poses_are_met_with_one_velocity(bending):
    domain, poses = bending
    path = path_through(domain, poses)
    h = 1e-5
    for index, pose in enumerate([domain.positions, *poses]):
        assert np.array_equal(path.positions(index / 3), pose)
    for t in (1 / 3, 2 / 3):
        np.testing.assert_allclose(path.positions(t - 1e-7), path.positions(t), atol=1e-5)
        before = (path.positions(t) - path.positions(t - h)) / h
        after = (path.positions(t + h) - path.positions(t)) / h
        assert np.abs(before - after).max() < 5e-3 * np.abs(before).max()


def test_between_poses_the_bar_bends_on(bending):
    domain, _ = bending
    poses = [bent(domain.positions, angle) for angle in (0.8, 1.6)]
    path, half = path_through(domain, poses), bent(domain.positions, 0.4)
    straight = (domain.positions + poses[0]) / 2
    assert np.abs(path.positions(0.25) - half).max() < 0.2 * np.abs(straight - half).max()


def test_a_whole_turn_through_stops_stays_rigid(bending):
    domain, _ = bending
    turned = [domain.positions @ rotation([0, 1, 1], angle).T for angle in (120.0, 240.0, 360.0)]
    path = path_through(domain, turned)
    wanted = domain.positions @ rotation([0, 1, 1], 180.0).T
    np.testing.assert_allclose(path.positions(0.5), wanted, atol=1e-6)
