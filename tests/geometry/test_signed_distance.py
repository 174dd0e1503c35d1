"""Signed distances against analytic shapes, and what is inside of surfaces that are open, reversed, nested or flat."""

from __future__ import annotations

import numpy as np
import pytest

from backend.geometry.distance import closest_on_surface
from backend.geometry.io import read_mesh
from backend.geometry.isosurface import extract, grid_over
from backend.geometry.repair import working_mesh
from backend.geometry.sides import sides_of, winding_numbers
from backend.geometry.signed_distance import SignedSurface, signed_distance
from protocol.mesh import MeshData
from tests.meshes import grid, icosphere, torus
from tests.shared_data import shared_data


def surface(mesh: MeshData):
    return mesh.positions(), mesh.triangles().astype(np.int64)


def together(*meshes):
    """Several surfaces as one."""
    starts = np.cumsum([0, *(len(positions) for positions, _ in meshes)])
    return (
        np.concatenate([positions for positions, _ in meshes]),
        np.concatenate([triangles + start for (_, triangles), start in zip(meshes, starts, strict=False)]),
    )


def ball(radius=1.0, middle=(0.0, 0.0, 0.0), turned=False, level=4):
    positions, triangles = surface(icosphere(level, radius))
    return positions + np.array(middle), triangles[:, ::-1] if turned else triangles


def hemisphere(turned=False):
    positions, triangles = ball(turned=turned)
    return positions, triangles[positions[triangles].mean(axis=1)[:, 2] > 0.0]


def cube():
    corners = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
    quads = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
    return corners, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int64)


def moebius(n=64):
    u, v = np.meshgrid(2 * np.pi * np.arange(n) / n, [-0.3, 0.0, 0.3], indexing="ij")
    ring = 1 + v * np.cos(u / 2)
    positions = np.stack([ring * np.cos(u), ring * np.sin(u), v * np.sin(u / 2)], axis=-1).reshape(-1, 3)
    quads = []
    for i in range(n):
        for j in range(2):
            here = [3 * i + j, 3 * i + j + 1]
            there = [3 * (i + 1) + j, 3 * (i + 1) + j + 1] if i < n - 1 else [2 - j, 1 - j]
            quads.append([here[0], there[0], there[1], here[1]])
    quads = np.array(quads)
    return positions, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int64)


def points(n=3000, reach=1.6, seed=0):
    return np.random.default_rng(seed).uniform(-reach, reach, (n, 3))


def gradient_lengths(values, at, step):
    """Length of the central difference [N] of ``values`` at points [N, 3]."""
    moves = step * np.eye(3)
    return np.linalg.norm(np.stack([values(at + m) - values(at - m) for m in moves], axis=1), axis=1) / (2 * step)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("turned", [False, True])
def test_a_ball_of_any_size_either_way_round(size, turned):
    positions, triangles = ball(turned=turned)
    at = points()
    found = signed_distance(size * at + 5 * size, size * positions + 5 * size, triangles) / size
    np.testing.assert_allclose(found, np.linalg.norm(at, axis=1) - 1, atol=3e-3)


def test_a_torus_and_a_cube():
    at = points()
    found = signed_distance(at, *surface(torus(160, 80)))
    around = np.hypot(np.hypot(at[:, 0], at[:, 1]) - 1.0, at[:, 2]) - 0.35
    np.testing.assert_allclose(found, around, atol=2e-3)
    beyond = np.abs(at) - 1.0
    exact = np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(axis=1), 0)
    np.testing.assert_allclose(signed_distance(at, *cube()), exact, atol=1e-9)


def test_the_gradient_has_length_one():
    values = SignedSurface(*ball(level=5))
    at = points()
    away = np.abs(np.linalg.norm(at, axis=1) - 1)
    at = at[(away > 0.05) & (away < 0.9)]
    # Facets make kinks where a point stands between two of them.
    lengths = gradient_lengths(values, at, 1e-3)
    assert np.median(lengths) == pytest.approx(1, abs=1e-3)
    assert (np.abs(lengths - 1) < 0.02).mean() > 0.97


def test_the_tree_kept_answers_as_a_fresh_one():
    positions, triangles = surface(torus())
    values, at = SignedSurface(positions, triangles), points(500)
    np.testing.assert_array_equal(values(at), signed_distance(at, positions, triangles))
    np.testing.assert_array_equal(values(at)[100:120], values(at[100:120]))
    assert values(np.zeros((0, 3))).shape == (0,)


def test_sides_stay_with_the_faces_while_the_surface_moves():
    positions, triangles = ball(turned=True)
    sides = sides_of(positions, triangles)
    stretched = SignedSurface(positions * [1.0, 1.0, 2.0], triangles, sides)
    found = stretched(np.array([[0.0, 0, 0], [0, 0, 1.9], [0, 1.5, 0]]))
    assert found[0] < -0.9
    assert found[1] < 0.0 < found[2]


def test_a_part_turned_against_the_one_around_it_is_a_cavity():
    for inverted in (False, True):
        shell = together(ball(1.0, turned=inverted), ball(0.5, turned=not inverted))
        at = points(reach=1.0)
        far = np.linalg.norm(at, axis=1)
        np.testing.assert_allclose(signed_distance(at, *shell), np.maximum(far - 1, 0.5 - far), atol=3e-3)


def test_a_part_within_another_is_buried_and_a_part_beside_it_is_not():
    nested = together(ball(1.0), ball(0.5), ball(0.5, (3, 0, 0), turned=True))
    sides = sides_of(*nested)
    third = len(nested[1]) // 3
    assert sides.buried[third : 2 * third].all()
    assert not sides.buried[:third].any()
    assert not sides.buried[2 * third :].any()
    found = SignedSurface(*nested, sides)(np.array([[0.0, 0, 0], [0.5, 0, 0], [3, 0, 0], [2.25, 0, 0]]))
    np.testing.assert_allclose(found, [-1, -0.5, -0.5, 0.25], atol=5e-3)
    assert sides.said("target") == ("target: 1 part with normals inwards taken to be solid",)


def test_parts_that_overlap_are_one_inside():
    at = points(reach=2.0)
    pair = together(ball(1.0, (-0.5, 0, 0)), ball(1.0, (0.5, 0, 0)))
    found = signed_distance(at, *pair)
    each = np.stack([np.linalg.norm(at - [x, 0, 0], axis=1) - 1 for x in (-0.5, 0.5)])
    union = each.min(axis=0)
    outside = union > 0.01
    np.testing.assert_allclose(found[outside], union[outside], atol=3e-3)
    assert (found[union < -0.01] < 0).all()
    # Within the overlap no wall is near: the distance is that to the walls of the union.
    assert signed_distance(np.array([[0.4, 0.0, 0.0]]), *pair)[0] < -0.8


def test_what_is_pushed_through_its_own_back_is_inside_too():
    positions, triangles = ball(level=4)
    pushed = positions - 3.0 * np.array([0, 0, 1]) * (positions[:, 2:] > 0.6)
    values = SignedSurface(pushed, triangles)
    found = values(np.array([[0.9, 0, 0], [0, 0, 0.2], [0, 0, -1.5], [0, 0, -2.2], [0.9, 0, -1.5]]))
    assert (np.sign(found) == [-1, 1, -1, 1, 1]).all()
    low, high = pushed.min(axis=0) - 0.1, pushed.max(axis=0) + 0.1
    frame = extract(values, grid_over(low, high, 64), slope=values.slope)
    apart, _, _ = closest_on_surface(pushed, *frame)
    assert apart.max() < 0.12


@pytest.mark.parametrize("turned", [False, True])
def test_a_hemisphere_is_closed_across_its_hole(turned):
    positions, triangles = hemisphere(turned)
    sides = sides_of(positions, triangles)
    assert sides.n_sheets == 0
    values = SignedSurface(positions, triangles, sides)
    height = np.linspace(0.1, 0.9, 9)
    axis = np.stack([np.zeros(9), np.zeros(9), height], axis=1)
    winding = np.abs(winding_numbers(axis, positions, triangles))
    np.testing.assert_array_equal(values(axis) < 0, winding > 0.5)
    assert values(np.array([[0.0, 0, 0.8], [0, 0, 0.5]])).max() < -0.1
    assert values(np.array([[0.0, 0, -0.5], [0, 0, 1.2], [1.1, 0, 0.2], [0.9, 0, -0.3]])).min() > 0.05


@pytest.mark.parametrize("mesh", ["moebius", "grid", "dome", "band", "wavy"])
def test_a_sheet_becomes_a_shell(mesh):
    square, triangles = surface(grid(24, 2.0))
    x, y = square[:, 0], square[:, 1]
    angle = np.linspace(0, 2 * np.pi, 61)[:-1]
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    index = np.arange(60)
    after = (index + 1) % 60
    positions, triangles = {
        "moebius": moebius(),
        "grid": (square, triangles),
        "dome": (np.stack([x, y, 0.1 * x * (2 - x) * y * (2 - y)], axis=1), triangles),
        "wavy": (np.stack([x, y, 0.2 * np.sin(3 * x) * np.cos(3 * y)], axis=1), triangles),
        "band": (
            np.concatenate([np.insert(ring, 2, 0.0, axis=1), np.insert(ring, 2, 0.2, axis=1)]),
            np.concatenate([np.stack([index, after, after + 60], 1), np.stack([index, after + 60, index + 60], 1)]),
        ),
    }[mesh]
    sides = sides_of(positions, triangles)
    assert sides.n_sheets == 1
    assert "no inside" in sides.said("source")[0]
    values = SignedSurface(positions, triangles, sides)
    np.testing.assert_allclose(values(positions[triangles].mean(axis=1)), -sides.thickness / 2, rtol=1e-6)
    low, high = positions.min(axis=0), positions.max(axis=0)
    at = np.random.default_rng(0).uniform(low - 0.5, high + 0.5, (2000, 3))
    lengths = gradient_lengths(values, at, 1e-5)
    assert (np.abs(lengths - 1) < 1e-4).mean() > 0.97
    assert (values(at) < 0).mean() < 0.25


def test_the_thickness_of_a_sheet_can_be_told():
    positions, triangles = surface(grid(4))
    values = SignedSurface(positions, triangles, sides_of(positions, triangles, 0.3))
    np.testing.assert_allclose(values(np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.25]])), [-0.15, 0.1])


def test_a_sheet_beside_a_solid_leaves_the_solid_alone():
    square, triangles = surface(grid(8, 2.0))
    pair = together(ball(), (square + np.array([2.0, -1.0, 0.0]), triangles))
    sides = sides_of(*pair)
    assert (sides.n_sheets, sides.n_parts) == (1, 2)
    assert sides.said("source")[0].startswith("source: 1 part has no inside")
    found = SignedSurface(*pair, sides)(np.array([[0.0, 0, 0], [3.0, 0, 0], [1.5, 0, 0]]))
    np.testing.assert_allclose(found, [-1, -sides.thickness / 2, 0.5 - sides.thickness / 2], atol=3e-3)


@pytest.mark.skipif(shared_data() is None, reason="the shared test data is not here")
@pytest.mark.parametrize(
    ("name", "sheets"),
    [
        ("bad/flipped_normals.obj", 0),
        ("bad/nested_components.obj", 0),
        ("bad/moebius.obj", 1),
        ("bad/flat.obj", 1),
        ("bad/suzanne.obj", 0),
        ("bad/open_boundary_teapot.obj", 0),
        ("elephant_cut/target.obj", 0),
    ],
)
def test_shapes_of_every_kind(name, sheets):
    mesh = working_mesh(read_mesh(shared_data() / name), "source")
    sides = sides_of(mesh.positions, mesh.triangles)
    assert sides.n_sheets == sheets
    values = SignedSurface(mesh.positions, mesh.triangles, sides)
    low, high = mesh.positions.min(axis=0), mesh.positions.max(axis=0)
    found = values(np.random.default_rng(0).uniform(low, high, (4000, 3)))
    assert np.isfinite(found).all()
    assert 0.005 < (found < 0).mean() < 0.9


def test_the_gradient_given_is_that_of_the_distance():
    square, triangles = surface(grid(8, 2.0))
    values = SignedSurface(*together(ball(), (square + np.array([2.0, -1.0, 0.0]), triangles)))
    at = points(400) + np.array([1.0, 0.0, 0.0])
    distance, gradient = values.with_gradient(at)
    np.testing.assert_array_equal(distance, values(at))
    moves = 1e-6 * np.eye(3)
    numeric = np.stack([values(at + m) - values(at - m) for m in moves], axis=1) / 2e-6
    assert (np.linalg.norm(gradient - numeric, axis=1) < 1e-4).mean() > 0.97
    on, _ = values.with_gradient(ball()[0][:3])
    np.testing.assert_allclose(on, 0.0, atol=1e-12)


def test_the_field_falls_to_zero_across_a_hole():
    """Without a jump: no step of a fine walk through the hole of a hemisphere is longer than the walk."""
    values = SignedSurface(*hemisphere())
    height = np.linspace(0.9, -0.9, 2001)
    for x in (0.0, 0.5, 0.9):
        along = values(np.stack([np.full(2001, x), np.zeros(2001), height], axis=1))
        assert np.abs(np.diff(along)).max() <= values.slope * (height[0] - height[1])
        if x < 0.9:
            assert along.min() < -0.05
        assert along[-1] > 0.0
