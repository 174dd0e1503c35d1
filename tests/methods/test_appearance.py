"""Texture coordinates, colours and materials of extracted frames: both ends exact, nothing torn across a seam."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.flow.co_moving import CoMoving
from backend.geometry.io import read_mesh
from backend.geometry.isosurface import extract, grid_over
from backend.geometry.repair import working_mesh
from backend.methods.appearance import Appearance
from backend.methods.carried_pair import RigidPair
from protocol.mesh import MeshData, check_structure
from tests.meshes import rotation, torus
from tests.shared_data import shared_data

Float = NDArray[np.float64]
MAJOR, MINOR = 1.0, 0.35


def uv_torus(around: int = 48, across: int = 24) -> MeshData:
    """A torus whose texture is cut open along two circles: one island with seams inside it."""
    mesh = torus(around, across, MAJOR, MINOR)
    i, j = np.meshgrid(np.arange(around), np.arange(across), indexing="ij")
    u = np.stack([i, i + 1, i + 1, i], axis=-1) / around
    v = np.stack([j, j, j + 1, j + 1], axis=-1) / across
    uv = np.stack([u, v], axis=-1).reshape(-1, 2).astype(np.float32)
    color = (0.5 + 0.4 * mesh.positions() / 1.4).astype(np.float32)
    return replace(mesh, attributes={"uv": uv, "color": color})


def true_uv(points: Float) -> Float:
    """Texture coordinates of places on the torus, in 0..1, as the angles say."""
    around = np.arctan2(points[..., 1], points[..., 0])
    across = np.arctan2(points[..., 2], np.hypot(points[..., 0], points[..., 1]) - MAJOR)
    return np.stack([around, across], axis=-1) / (2 * np.pi) % 1.0


def torus_field(points: Float) -> Float:
    return np.asarray(np.hypot(np.hypot(points[:, 0], points[:, 1]) - MAJOR, points[:, 2]) - MINOR)


def appearance_of(source: MeshData, target: MeshData) -> tuple[Appearance, RigidPair]:
    """The appearance of two meshes that lie over each other and stay where they are."""
    points = torus(12, 8).positions()
    pair = RigidPair(working_mesh(source, "source"), working_mesh(target, "target"), CoMoving.of(points, points))
    return Appearance(source, target, pair), pair


def bare(mesh: MeshData) -> MeshData:
    return replace(mesh, attributes={})


def longest_edges(values: Float) -> Float:
    """Of triangles [T, 3, D]: length of the longest side [T]."""
    return np.asarray(np.linalg.norm(values - np.roll(values, 1, axis=1), axis=2).max(axis=1))


def fan(mesh: MeshData) -> Float:
    """``uv`` of the corners of the fan triangles of quads [T, 3, 2]."""
    quads = np.asarray(mesh.attributes["uv"], np.float64).reshape(-1, 4, 2)
    return quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3, 2)


def test_the_ends_look_as_they_do_alone() -> None:
    source = uv_torus()
    target = replace(source, attributes={k: 1.0 - v for k, v in source.attributes.items()})  # type: ignore[operator]
    appearance, pair = appearance_of(source, target)
    for t, end in ((0.0, source), (1.0, target)):
        positions = pair.at(t)[0]
        found = appearance.attributes(positions, pair.source.triangles, t)
        np.testing.assert_allclose(found["uv"].reshape(-1, 3, 2), fan(end), atol=1e-6)
        np.testing.assert_allclose(found["color"][:, :3], end.attributes["color"], atol=1e-6)
        np.testing.assert_array_equal(found["color"][:, 3], 1.0)


def test_between_the_ends_both_are_blended_and_each_is_there() -> None:
    source = uv_torus()
    target = replace(source, attributes={"uv": 0.5 * source.attributes["uv"]})  # type: ignore[operator]
    appearance, pair = appearance_of(source, target)
    found = appearance.attributes(pair.at(0.25)[0], pair.source.triangles, 0.25)
    np.testing.assert_allclose(found["uv_source"].reshape(-1, 3, 2), fan(source), atol=1e-6)
    np.testing.assert_allclose(found["uv_target"].reshape(-1, 3, 2), fan(target), atol=1e-6)
    np.testing.assert_allclose(found["uv"], 0.875 * found["uv_source"], atol=1e-6)
    np.testing.assert_allclose(found["color"][:, :3], source.attributes["color"], atol=1e-6)
    assert all(values.dtype == np.float32 for values in found.values())


@pytest.mark.parametrize("resolution", [40, 150])
def test_an_extracted_torus_has_the_texture_of_the_torus_and_no_face_straddles_a_seam(resolution: int) -> None:
    source = uv_torus(96, 48)
    appearance, _ = appearance_of(source, bare(source))
    grid = grid_over(np.full(3, -1.5) + 0.011, np.full(3, 1.5), resolution)
    positions, triangles = extract(torus_field, grid, slope=1.0)
    found = appearance.attributes(positions, triangles, 0.0)
    assert set(found) == {"uv", "color"}
    uv = found["uv"].reshape(-1, 3, 2).astype(np.float64)
    wrong = uv - true_uv(positions[triangles])
    assert np.abs(wrong - np.round(wrong)).max() < 5e-3  # whole turns beside the truth: continued over a seam
    stretch = 1.0 / (2 * np.pi * MINOR)  # across is where most of the texture is on a length
    edge = np.linalg.norm(positions[triangles] - np.roll(positions[triangles], 1, axis=1), axis=2).max()
    assert longest_edges(uv).max() < 1.5 * stretch * edge
    away = (np.abs(true_uv(positions[triangles]) - 0.5) < 0.45).all(axis=(1, 2))  # from the seams
    assert np.abs(wrong[away]).max() < 5e-3
    mesh = MeshData.from_positions(positions, 3 * np.arange(len(triangles) + 1), triangles.reshape(-1), found)
    check_structure(mesh)


def test_stray_and_unwelded_vertices_and_useless_faces_do_not_matter() -> None:
    whole = uv_torus(24, 12)
    corners = whole.face_indices.reshape(-1, 4)
    soup = whole.positions()[corners].reshape(-1, 3)
    points = np.concatenate([[[9.0, 9.0, 9.0]], soup])  # a stray vertex first
    faces = np.concatenate([1 + np.arange(len(soup)), [1, 2, 2, 1]])  # and a face without area
    uv = np.concatenate([whole.attributes["uv"], np.full((4, 2), 7.0)]).astype(np.float32)
    color = np.concatenate([[[0.0, 0.0, 0.0]], whole.attributes["color"][corners.reshape(-1)]]).astype(np.float32)
    broken = MeshData.from_positions(points, 4 * np.arange(len(faces) // 4 + 1), faces, {"uv": uv, "color": color})
    appearance, pair = appearance_of(broken, bare(whole))
    surface = working_mesh(whole, "whole")
    assert len(pair.source.positions) == len(surface.positions)
    found = appearance.attributes(surface.positions, surface.triangles, 0.0)
    np.testing.assert_allclose(found["uv"].reshape(-1, 3, 2), fan(whole), atol=1e-6)
    np.testing.assert_allclose(found["color"][:, :3], whole.attributes["color"], atol=1e-6)


def test_colours_of_corners_are_taken_too() -> None:
    mesh = uv_torus()
    per_corner = np.asarray(mesh.attributes["color"])[mesh.face_indices]
    corner = replace(mesh, attributes={"color": np.concatenate([per_corner, 0.5 + 0 * per_corner[:, :1]], axis=1)})
    appearance, pair = appearance_of(bare(mesh), corner)
    found = appearance.attributes(pair.target.positions, pair.target.triangles, 0.3)
    np.testing.assert_allclose(found["color"][:, :3], mesh.attributes["color"], atol=1e-6)
    np.testing.assert_allclose(found["color"][:, 3], 0.5)
    assert "uv" not in found


def test_each_face_has_the_material_of_the_source_that_is_nearest() -> None:
    source = bare(uv_torus())
    upper = source.positions()[source.face_indices].reshape(-1, 4, 3)[..., 2].mean(axis=1) > 0  # [F]
    slots = np.where(upper, 3, 1).astype(np.int32)
    whole = replace(source, attributes={"material": np.repeat(slots, 4)})
    appearance, pair = appearance_of(whole, replace(source, attributes={"material": 0 * source.face_indices}))
    for t in (0.0, 1.0):
        found = appearance.attributes(pair.at(t)[0], pair.source.triangles, t)
        assert set(found) == {"material"}
        assert found["material"].dtype == np.int32
        np.testing.assert_array_equal(found["material"], np.repeat(slots, 6))
    appearance, _ = appearance_of(bare(source), whole)
    assert appearance.attributes(pair.source.positions, pair.source.triangles, 1.0) == {}


def test_the_texture_moves_with_the_surface() -> None:
    source = uv_torus()
    turn = rotation([1.0, 2.0, 0.5], 100.0)
    target = source.with_positions(1.5 * source.positions() @ turn.T + [3.0, -1.0, 2.0])
    first, second = working_mesh(source, "source"), working_mesh(target, "target")
    pair = RigidPair(first, second, CoMoving.of(first.positions, second.positions))
    found = Appearance(source, target, pair).attributes(pair.at(0.6)[0], first.triangles, 0.6)
    np.testing.assert_allclose(found["uv"].reshape(-1, 3, 2), fan(source), atol=1e-5)


def test_ends_without_anything_give_nothing() -> None:
    mesh = bare(uv_torus())
    appearance, pair = appearance_of(mesh, mesh)
    assert appearance.attributes(pair.source.positions, pair.source.triangles, 0.5) == {}
    textured, _ = appearance_of(uv_torus(), mesh)
    assert textured.attributes(np.zeros((0, 3)), np.zeros((0, 3), np.int64), 0.5) == {}


def test_a_frame_of_forty_thousand_faces_takes_well_under_a_second() -> None:
    source = uv_torus(150, 60)
    appearance, _ = appearance_of(source, source)
    positions, triangles = extract(torus_field, grid_over(np.full(3, -1.5), np.full(3, 1.5), 105), slope=1.0)
    assert len(triangles) > 40_000
    started = time.process_time()
    appearance.attributes(positions, triangles, 0.5)
    assert time.process_time() - started < 1.5


def test_islands_of_a_real_texture_are_not_mixed() -> None:
    folder = shared_data()
    if folder is None:
        pytest.skip("the shared data is not here")
    mesh = read_mesh(folder / "bad" / "quads.obj")
    appearance, pair = appearance_of(mesh, bare(mesh))
    found = appearance.attributes(pair.source.positions, pair.source.triangles, 0.0)
    own, uv = fan(mesh), found["uv"].reshape(-1, 3, 2)
    exact = np.abs(own - uv).max(axis=2) < 1e-4
    assert exact.mean() > 0.995
    assert (longest_edges(uv) < 1.5 * longest_edges(own) + 0.02).all()
