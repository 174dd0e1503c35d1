"""What is known of meshes: signed distances against formulas, holes, sheets, overlaps, and points on the surface."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.surfaces.known_mesh import KnownMesh
from tests.meshes import grid, icosphere

CORNERS = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
QUADS = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
BOX = np.concatenate([QUADS[:, [0, 1, 2]], QUADS[:, [0, 2, 3]]])
RNG = np.random.default_rng(5)
Mesh = tuple[NDArray[np.float64], NDArray[np.int64]]


def box(half: tuple[float, float, float] = (0.5, 0.4, 0.3), middle: tuple[float, ...] = (0.0, 0.0, 0.0)) -> Mesh:
    return CORNERS * half + middle, BOX


def joined(*meshes: Mesh) -> Mesh:
    starts = np.cumsum([0] + [len(points) for points, _ in meshes[:-1]])
    faces = np.concatenate([faces + start for (_, faces), start in zip(meshes, starts, strict=True)])
    return np.concatenate([points for points, _ in meshes]), faces


def to_box(points: NDArray[np.float64], half: tuple[float, float, float]) -> NDArray[np.float64]:
    """Signed distance to a box around the origin."""
    beyond = np.abs(points) - half
    outside = np.linalg.norm(np.maximum(beyond, 0.0), axis=1)
    return np.asarray(outside + np.minimum(beyond.max(axis=1), 0.0))


def check_samples(known: KnownMesh, count: int = 3000) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points on the surface have no distance, and outside lies where their normals point to."""
    points, normals = known.on_surface(count, np.random.default_rng(0))
    assert points.shape == (count, 3)
    assert normals is not None
    assert np.abs(known.distances(points)).max() < 1e-7
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0)
    assert (known.distances(points + 1e-3 * normals) > 0.0).all()
    return points, normals


def test_a_box_has_its_exact_distances() -> None:
    half = (0.5, 0.4, 0.3)
    known = KnownMesh(*box(half))
    points = RNG.uniform(-1, 1, (3000, 3))
    assert (known.signed, known.exact, known.said, known.dimension) == (True, True, (), 3)
    np.testing.assert_allclose(known.distances(points), to_box(points, half), atol=1e-7)
    on, normals = check_samples(known)
    assert (known.distances(on - 1e-3 * normals) < 0.0).all()
    share = (np.abs(on[:, 2]) > 0.3 - 1e-7).mean()
    assert share == pytest.approx(0.5 * 0.4 / (0.5 * 0.4 + 0.5 * 0.3 + 0.4 * 0.3), abs=0.03)  # uniform by area


def test_without_its_inside_the_same_box_has_unsigned_distances() -> None:
    half = (0.5, 0.4, 0.3)
    bare = KnownMesh(*box(half)).without_inside()
    points = RNG.uniform(-1, 1, (500, 3))
    assert not bare.signed
    np.testing.assert_allclose(bare.distances(points), np.abs(to_box(points, half)), atol=1e-7)
    assert bare.on_surface(10, RNG)[1] is None


@pytest.mark.parametrize("fault", ["inside out", "some faces turned", "soup", "twice"])
def test_what_is_wrong_with_the_faces_does_not_matter(fault: str) -> None:
    points, faces = box()
    if fault == "inside out":
        faces = faces[:, ::-1]
    if fault == "some faces turned":
        faces = np.concatenate([faces[:5], faces[5:, ::-1]])
    if fault == "soup":
        points, faces = points[faces].reshape(-1, 3), np.arange(36).reshape(-1, 3)
    if fault == "twice":
        faces = np.concatenate([faces, faces[3:6]])
    known = KnownMesh(points, faces)
    asked = RNG.uniform(-1, 1, (500, 3))
    np.testing.assert_allclose(known.distances(asked), to_box(asked, (0.5, 0.4, 0.3)), atol=1e-7)
    check_samples(known, 300)


def test_holes_are_closed() -> None:
    sphere = icosphere(3, 0.9)
    faces = sphere.triangles().astype(np.int64)
    height = sphere.positions()[faces].mean(axis=1)[:, 2]
    known = KnownMesh(sphere.positions(), faces[height < 0.6])
    assert known.signed
    assert not known.exact
    assert "the mesh has holes" in known.said[0]
    asked = np.array([[0, 0, 0.0], [0, 0, 0.4], [0, 0, 1.2], [0.5, 0, 0]])
    assert (np.sign(known.distances(asked)) == [-1, -1, 1, -1]).all()
    # Unsigned, the hole is a hole: the nearest point is on its rim.
    bare = known.without_inside().distances(np.array([[0, 0, 0.65]]))
    assert bare[0] > 0.5
    assert known.without_inside().exact


def test_a_sheet_has_no_inside() -> None:
    sheet = grid(4, 1.0)
    known = KnownMesh(sheet.positions(), sheet.triangles().astype(np.int64))
    assert not known.signed
    assert known.exact
    assert "no inside" in known.said[0]
    np.testing.assert_allclose(
        known.distances(np.array([[0.5, 0.5, 0.3], [0.5, 0.5, -0.3], [1.5, 0.5, 0]])), [0.3, 0.3, 0.5]
    )


def test_a_sheet_beside_a_solid_becomes_a_shell() -> None:
    sheet = grid(4, 0.5)
    mesh = joined(
        box((0.3, 0.3, 0.3), (-0.6, 0, 0)),
        (sheet.positions() + np.array([0.2, 0, 0]), sheet.triangles().astype(np.int64)),
    )
    known = KnownMesh(*mesh)
    assert known.signed
    assert any("become shells" in sentence for sentence in known.said)
    points, normals = check_samples(known)
    shell = points[:, 0] > 0.1
    assert 0.1 < shell.mean() < 0.4
    assert set(np.sign(normals[shell, 2]).tolist()) == {-1.0, 1.0}  # both faces of it


def test_walls_within_a_solid_are_no_part_of_the_surface() -> None:
    known = KnownMesh(*joined(box((0.5, 0.2, 0.2), (-0.2, 0, 0)), box((0.5, 0.2, 0.19), (0.2, 0.01, 0.01))))
    points, _ = check_samples(known)
    assert not ((np.abs(points[:, 0]) < 0.29) & (np.abs(points[:, 1]) < 0.18) & (np.abs(points[:, 2]) < 0.17)).any()
    assert (known.distances(np.array([[0, 0, 0.0], [0.25, 0, 0], [0.6, 0.0, 0.0]])) < 0.0).all()
    assert (known.distances(np.array([[0, 0, 0.25], [-0.71, 0, 0], [0.71, 0.0, 0.0]])) > 0.0).all()


def test_a_cavity_is_outside() -> None:
    outer, inner = icosphere(3, 0.9), icosphere(3, 0.4)
    faces = inner.triangles().astype(np.int64)[:, ::-1]
    known = KnownMesh(*joined((outer.positions(), outer.triangles().astype(np.int64)), (inner.positions(), faces)))
    assert (np.sign(known.distances(np.array([[0, 0, 0.0], [0.6, 0, 0], [1.0, 0, 0]]))) == [1, -1, 1]).all()
    points, normals = check_samples(known)
    inside = np.linalg.norm(points, axis=1) < 0.5
    assert inside.mean() == pytest.approx(0.16 / 0.97, abs=0.05)
    assert ((points[inside] * normals[inside]).sum(axis=1) < 0.0).all()
