"""Faulty meshes with surfaces of their own: what the documented table says of each is what a frame shows."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from backend.geometry.distance import closest_on_surface
from backend.geometry.io import read_mesh
from backend.geometry.metrics import topology
from backend.geometry.repair import WorkingMesh, working_mesh
from backend.geometry.triangles import areas, parts, signed_volume
from backend.pipeline import train
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.messages import Timeline
from tests.methods.conftest import request_for
from tests.shared_data import shared_data

TABLE = Path(__file__).resolve().parents[2] / "docs" / "BAD_INPUT.md"
ROWS = re.findall(r"^\| (\w+) \| morphs \|[^|]*\| (.*?) \|$", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
LARGE = {"million_vertices"}  # takes minutes
RESOLUTION = 12
THICKNESS = 2 / 128  # of the longest side

pytestmark = pytest.mark.skipif(shared_data() is None, reason="the shared test data is not here")


def first_frame(mesh: MeshData) -> tuple[MeshData, list[str]]:
    """The first frame of a morph to the same mesh, and what was said of that."""
    timeline = Timeline(2, resolution=RESOLUTION)
    trained = train(request_for((mesh, mesh), method="sdf_blend", timeline=timeline), Run())
    return trained.morph.at_resolution(RESOLUTION).frame(0.0), trained.report["warnings"]


def enclosed(surface: WorkingMesh) -> list[float]:
    """The volume of every closed part of a surface, the largest first."""
    n, part = parts(len(surface.positions), surface.triangles)
    of_face = part[surface.triangles[:, 0]]
    volumes = [abs(signed_volume(surface.positions, surface.triangles[of_face == k])) for k in range(n)]
    return sorted(volumes, reverse=True)


@pytest.mark.parametrize(("name", "becomes"), [row for row in ROWS if row[0] not in LARGE])
def test_the_documented_surface_of_a_faulty_mesh(name: str, becomes: str) -> None:
    data = shared_data()
    assert data is not None
    mesh = read_mesh(data / "bad" / f"{name}.obj")
    surface = working_mesh(mesh, "source")
    size = float(np.ptp(surface.positions, axis=0).max())
    frame, warnings = first_frame(mesh)
    triangles = frame.triangles().astype(np.int64)
    positions = frame.positions() - mesh.origin
    shape = topology(frame.n_vertices, triangles)
    volume = signed_volume(positions, triangles) / size**3
    away = closest_on_surface(positions, surface.positions, surface.triangles)[0] / size
    missed = closest_on_surface(surface.positions, positions, triangles)[0] / size

    assert shape["closed"]
    assert volume > 0
    assert np.isfinite(positions).all()
    assert missed.mean() < 0.5 * THICKNESS
    thin = [sentence for sentence in warnings if sentence.startswith("source: ") and "no inside" in sentence]
    assert bool(thin) == (becomes == "shell")
    if becomes == "shell":
        np.testing.assert_allclose(away.mean(), THICKNESS / 2, rtol=0.05)
        area = areas(surface.positions, surface.triangles).sum() / size**2
        assert volume == pytest.approx(THICKNESS * area, rel=0.1)
        assert shape["components"] == 1
        return
    assert away.mean() < 0.001
    volumes = [each / size**3 for each in enclosed(surface)]
    if becomes == "solid":
        assert volume == pytest.approx(sum(volumes), rel=0.1)
        assert shape["components"] == len(volumes)
    elif becomes == "hollow":
        assert volume == pytest.approx(volumes[0] - volumes[1], rel=0.05)
    elif becomes == "solid, overlaps merged":
        assert volume > 2 * sum(volumes)  # of which what is inside out takes away twice
    else:
        assert becomes == "closed across its holes"
        assert not topology(len(surface.positions), surface.triangles)["closed"]
        area = areas(surface.positions, surface.triangles).sum() / size**2
        assert volume > 4 * THICKNESS * area  # far more than a shell


def test_every_mesh_that_morphs_has_a_word() -> None:
    morphs = re.findall(r"^\| (\w+) \| morphs \|", TABLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name, _ in ROWS] == morphs
    assert len(ROWS) > len(LARGE)
