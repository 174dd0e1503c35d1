"""The working surface: what is repaired, what is reported, and the documented table of faulty meshes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.geometry.edges import edges_of
from backend.geometry.io import read_mesh
from backend.geometry.repair import WorkingMesh, working_mesh
from backend.geometry.triangles import areas, signed_volume
from protocol.mesh import MeshData, MeshError
from tests.meshes import grid, icosphere, torus, triangle_mesh
from tests.shared_data import shared_data

TABLE = Path(__file__).resolve().parents[2] / "docs" / "BAD_INPUT.md"
ROWS = re.findall(r"^\| (\w+) \| (morphs|error) \| ?(.*?) ?\|", TABLE.read_text(encoding="utf-8"), re.MULTILINE)


def joined(*meshes: MeshData) -> MeshData:
    """Triangle meshes side by side in one."""
    starts = np.cumsum([0] + [mesh.n_vertices for mesh in meshes])
    faces = [mesh.triangles() + start for mesh, start in zip(meshes, starts, strict=False)]
    return triangle_mesh(np.concatenate([m.positions() for m in meshes]), np.concatenate(faces))


def with_triangles(mesh: MeshData, triangles: np.ndarray) -> MeshData:
    return triangle_mesh(mesh.positions(), triangles)


def test_a_sound_mesh_is_left_alone() -> None:
    mesh = icosphere(2)
    work = working_mesh(mesh, "source")
    np.testing.assert_array_equal(work.positions, mesh.positions())
    np.testing.assert_array_equal(work.triangles, mesh.triangles())
    np.testing.assert_array_equal(work.vertex_map, np.arange(mesh.n_vertices))
    assert work.warnings == ()


def test_positions_are_relative_to_the_origin() -> None:
    sphere = icosphere(2)
    far = triangle_mesh(sphere.positions() * 1e-3 + 1e6, sphere.triangles())
    work = working_mesh(far, "source")
    np.testing.assert_allclose(work.positions + work.origin, far.positions(), atol=0)
    assert np.abs(work.positions).max() < 0.01
    np.testing.assert_allclose(np.linalg.norm(work.positions - work.positions.mean(axis=0), axis=1), 1e-3, rtol=1e-4)


def test_soup_is_sewn() -> None:
    sphere = icosphere(2)
    corners = sphere.positions()[sphere.triangles()].reshape(-1, 3)
    soup = triangle_mesh(corners, np.arange(len(corners)).reshape(-1, 3))
    work = working_mesh(soup, "source")
    assert len(work.positions) == sphere.n_vertices
    assert edges_of(work.triangles).closed
    np.testing.assert_array_equal(work.positions[work.vertex_map], soup.positions())
    assert any("joined" in sentence for sentence in work.warnings)


def test_surfaces_that_touch_stay_apart() -> None:
    sphere = icosphere(1)
    work = working_mesh(joined(sphere, sphere), "source")
    assert len(work.positions) == 2 * sphere.n_vertices
    assert len(work.triangles) == 2 * sphere.n_faces


def test_faces_turned_at_random_agree_again() -> None:
    sphere = icosphere(3)
    faces = sphere.triangles().astype(np.int64)
    turned = np.random.default_rng(0).random(len(faces)) < 0.5
    faces[turned] = faces[turned][:, ::-1]
    work = working_mesh(with_triangles(sphere, faces), "target")
    assert not edges_of(work.triangles).inconsistent.any()
    assert signed_volume(work.positions, work.triangles) == pytest.approx(4 / 3 * np.pi, rel=0.02)
    assert f"target: {turned.sum()} faces turned" in " ".join(work.warnings)


def test_an_open_patch_keeps_the_side_of_most_of_its_area() -> None:
    square = grid(6)
    faces = square.triangles().astype(np.int64)
    faces[[3, 17]] = faces[[3, 17]][:, ::-1]
    work = working_mesh(with_triangles(square, faces), "source")
    normals = np.cross(
        work.positions[work.triangles[:, 1]] - work.positions[work.triangles[:, 0]],
        work.positions[work.triangles[:, 2]] - work.positions[work.triangles[:, 0]],
    )
    assert (normals[:, 2] > 0).all()
    assert "2 faces turned" in " ".join(work.warnings)


def test_a_hollow_and_an_inverted_mesh_are_left_as_they_are() -> None:
    outer, inner = icosphere(2, 2.0), icosphere(2, 1.0)
    hollow = joined(outer, with_triangles(inner, inner.triangles()[:, ::-1]))
    work = working_mesh(hollow, "source")
    np.testing.assert_array_equal(work.triangles, hollow.triangles())
    assert work.warnings == ()
    inverted = working_mesh(with_triangles(inner, inner.triangles()[:, ::-1]), "source")
    assert signed_volume(inverted.positions, inverted.triangles) < 0
    assert "point inwards" in " ".join(inverted.warnings)


def test_useless_faces_and_stray_vertices_are_left_out() -> None:
    ring = torus(12, 8)
    points = np.concatenate([ring.positions(), [[100.0, 0, 0], [0, 0, 0.5], [0, 0, 0.5], [0, 0, 0.6]]])
    n = ring.n_vertices
    extra = [[0, 0, 1], [n + 1, n + 2, n + 3], *ring.triangles()[:5].tolist(), ring.triangles()[9][::-1].tolist()]
    work = working_mesh(triangle_mesh(points, np.concatenate([ring.triangles(), extra])), "source")
    assert len(work.triangles) == len(ring.triangles())
    assert (work.vertex_map[n:] == -1).all()
    np.testing.assert_array_equal(work.positions[work.vertex_map[:n]], points[:n].astype(np.float32))
    assert np.ptp(work.positions, axis=0).max() < 3
    sentences = " ".join(work.warnings)
    assert "2 faces without area" in sentences
    assert "6 duplicate faces" in sentences
    assert "1 vertex without a face" in sentences


def test_nothing_but_flat_faces_is_an_error() -> None:
    points = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])
    with pytest.raises(MeshError, match=r"target: no face has an area.*check"):
        working_mesh(triangle_mesh(points, np.array([[0, 1, 2]])), "target")


def test_a_mesh_from_elsewhere_is_checked() -> None:
    mesh = icosphere(1)
    broken = MeshData(mesh.vertices, mesh.face_offsets, mesh.face_indices + np.int32(40))
    with pytest.raises(MeshError, match=r"source: .*do not exist"):
        working_mesh(broken, "source")
    mesh.vertices[7] = np.nan
    with pytest.raises(MeshError, match=r"source: 1 vertex has a coordinate that is NaN \(number 7"):
        working_mesh(mesh, "source")


@pytest.mark.parametrize("seed", range(8))
def test_random_rubbish_is_repaired_or_refused(seed: int) -> None:
    """Whatever survives has sound indices, areas, no duplicates, and agreeing neighbours wherever that is possible."""
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 4, (30, 3)).astype(float)
    faces = rng.integers(0, 30, (rng.integers(1, 80), 3))
    mesh = triangle_mesh(points, faces)
    work = working_mesh(mesh, "source")
    assert_sound(mesh, work)


def assert_sound(mesh: MeshData, work: WorkingMesh) -> None:
    assert work.triangles.min() == 0
    assert work.triangles.max() == len(work.positions) - 1
    assert len(np.unique(work.triangles)) == len(work.positions)
    assert (areas(work.positions, work.triangles) > 0).all()
    assert len(np.unique(np.sort(work.triangles, axis=1), axis=0)) == len(work.triangles)
    assert work.vertex_map.shape == (mesh.n_vertices,)
    kept = work.vertex_map >= 0
    np.testing.assert_array_equal(np.unique(work.vertex_map[kept]), np.arange(len(work.positions)))
    np.testing.assert_array_equal(
        work.positions[work.vertex_map[kept]], mesh.scale * mesh.vertices[kept].astype(np.float64)
    )
    one_sided = any("one-sided" in sentence for sentence in work.warnings)
    assert one_sided or not edges_of(work.triangles).inconsistent.any()


@pytest.mark.parametrize(("name", "outcome", "reported"), ROWS)
def test_the_documented_table_of_faulty_meshes(name: str, outcome: str, reported: str, tmp_path: Path) -> None:
    data = shared_data()
    if data is None:
        pytest.skip("the shared test data is not here")
    paths = sorted((data / "bad").glob(f"{name}.*"))
    if name == "million_vertices":
        paths = [tmp_path / "million.ply"]
        subprocess.run([sys.executable, data / "bad" / "million_vertices.py", paths[0]], check=True, timeout=60)
    for path in paths:
        for role in ("source", "target")[: 1 if name == "million_vertices" else 2]:
            if outcome == "error":
                with pytest.raises(MeshError) as caught:
                    working_mesh(read_mesh(path), role)
                assert str(path) in str(caught.value)
                assert reported in str(caught.value)
                continue
            mesh = read_mesh(path)
            work = working_mesh(mesh, role)
            if mesh.n_faces < 100_000:  # the check itself is slow
                assert_sound(mesh, work)
            assert all(sentence.startswith(f"{role}: ") for sentence in work.warnings)
            assert reported in " ".join(work.warnings) if reported else work.warnings == ()


def test_the_table_is_complete() -> None:
    data = shared_data()
    if data is None:
        pytest.skip("the shared test data is not here")
    assert sorted({path.stem for path in (data / "bad").iterdir()}) == [row[0] for row in ROWS]
