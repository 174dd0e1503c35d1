"""``mesh_sdf`` as a morph: exact ends, a way without pieces, stops, and the published configuration."""

from __future__ import annotations

import numpy as np
import pytest

from backend.checkpoint import morph_from_bytes, morph_to_bytes
from backend.fields.deep_sdf import PAIR
from backend.geometry.metrics import topology
from backend.geometry.signed_distance import SignedSurface
from backend.methods.field_morph import FieldMorph
from backend.methods.mesh_sdf import MeshSdf, MeshSdfSettings, _decoder_settings
from backend.methods.method import Morph
from backend.methods.registry import get, spec
from backend.pipeline import Trained, train
from backend.training.run import Cancelled, Run
from protocol.messages import MorphRequest
from protocol.settings import SettingError
from tests.meshes import icosphere, torus
from tests.methods.conftest import request_for
from tests.methods.test_lip_mlp import pair_of

SMALL = {"steps": 350, "width": 64, "depth": 3, "points": 256, "between": 256, "degree": 2}


@pytest.fixture(scope="module")
def ring() -> tuple[Trained, MorphRequest]:
    """A ball that becomes a torus."""
    request = request_for((icosphere(3), torus(32, 16, major=0.75, minor=0.3)), "mesh_sdf", settings=SMALL)
    return train(request, Run(seed=0)), request


def test_the_ends_are_exact(ring: tuple[Trained, MorphRequest]) -> None:
    trained, request = ring
    for t, mesh in ((0.0, request.source), (1.0, request.target)):
        frame = trained.morph.at_resolution(64).frame(t)
        off = SignedSurface(mesh.positions(), mesh.triangles().astype(np.int64))(frame.positions())
        assert np.abs(off).mean() < 1e-3
        assert 0.0 < trained.report[f"raw_chamfer_t{t:.0f}"] < 0.02
    assert trained.report["topology"] == "remesh"
    assert trained.report["training_steps"] == 350


def test_every_frame_is_one_closed_piece_and_the_hole_opens(ring: tuple[Trained, MorphRequest]) -> None:
    genus = []
    for mesh in ring[0].morph.at_resolution(40).frames([0.0, 0.2, 0.4, 0.6, 0.8, 1.0]):
        looks = topology(mesh.n_vertices, mesh.triangles())
        assert looks["closed"]
        assert looks["components"] == 1
        genus.append(looks["genus"])
    assert (genus[0], genus[-1]) == (0, 1)


def test_a_morph_comes_back_from_its_bytes(ring: tuple[Trained, MorphRequest]) -> None:
    trained, request = ring
    again, facts = morph_from_bytes(morph_to_bytes(trained, request))
    assert facts["method"] == "mesh_sdf"
    assert facts["values"]["field"]["network"]["kind"] == "deep_sdf"
    for t in (0.0, 0.1, 0.5, 1.0):
        ours, theirs = (morph.at_resolution(24).frame(t) for morph in (trained.morph, again))
        assert ours.vertices.tobytes() == theirs.vertices.tobytes()
        assert ours.face_indices.tobytes() == theirs.face_indices.tobytes()


def test_stops_are_shapes_on_the_way() -> None:
    source, target = icosphere(2, 0.5), icosphere(2, 0.6)
    stop = source.positions() * np.array([1.8, 0.7, 0.7])
    morph = MeshSdf().fit(pair_of(source, target, (stop,)), MeshSdfSettings(**(SMALL | {"steps": 60})), Run(seed=0))
    assert isinstance(morph, FieldMorph)
    off = SignedSurface(stop, source.triangles().astype(np.int64))(morph.at_resolution(32).frame(0.5).positions())
    assert np.abs(off).max() < 0.02
    assert morph.state()[0]["codes"].shape == (3, 2)


def test_the_paper_preset_is_the_published_configuration() -> None:
    made = _decoder_settings(MeshSdfSettings(**spec(get("mesh-sdf")).resolve("paper", {})), 2)
    assert made.form == PAIR
    assert (made.points, made.clamp, made.published_clamp, made.code_weight, made.ramp) == (
        32_192,
        0.1,
        True,
        1e-4,
        100,
    )
    assert (made.rate, made.code_rate * made.rate, made.halving, made.between) == (5e-4, 1e-3, 500, 0)


def test_a_network_too_narrow_for_its_input_is_refused() -> None:
    with pytest.raises(SettingError, match="64 wide, and 72 numbers"):
        _decoder_settings(MeshSdfSettings(width=64, code=12, degree=10), 2)


def test_training_is_cancelled_and_ends_in_time_and_shows_itself() -> None:
    pair = pair_of(icosphere(2), icosphere(2, 1.5))
    settings = MeshSdfSettings(**SMALL)
    with pytest.raises(Cancelled):
        MeshSdf().fit(pair, settings, Run(cancelled=lambda: True))
    shown: list[Morph] = []
    run = Run(seconds=6.0, on_preview=shown.append)
    morph = MeshSdf().fit(pair, settings, run)  # without a budget it would be endless
    assert run.facts["training_steps"] > 0
    assert shown
    assert shown[0].frame(0.5).n_vertices < morph.frame(0.5).n_vertices
