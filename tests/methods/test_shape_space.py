"""``shape_space`` as a morph: free codes, exact ends, stops, and the same network in another order."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.checkpoint import morph_from_bytes, morph_to_bytes
from backend.geometry.metrics import topology
from backend.geometry.signed_distance import SignedSurface
from backend.methods.field_morph import FieldMorph
from backend.methods.method import Morph
from backend.methods.registry import get, spec
from backend.methods.shape_space import ShapeSpaceMorph, ShapeSpaceSettings, _space_settings, points_first
from backend.pipeline import Trained, train
from backend.surfaces.space.network import SpaceNetwork
from backend.surfaces.space.settings import SpaceSettings
from backend.training.run import Cancelled, Run
from tests.meshes import icosphere, torus
from tests.methods.conftest import request_for
from tests.methods.test_lip_mlp import pair_of

SMALL = {"steps": 300, "width": 32, "depth": 3, "known": 512, "mixed": 128, "space_frequency": 1.5, "code": 4}


@pytest.fixture(scope="module")
def ring() -> tuple[Trained, object]:
    """A ball that becomes a torus."""
    request = request_for((icosphere(3), torus(32, 16, major=0.75, minor=0.3)), "shape_space", settings=SMALL)
    return train(request, Run(seed=0)), request


def test_the_ends_are_exact_and_the_codes_are_found(ring):
    trained, request = ring
    for t, mesh in ((0.0, request.source), (1.0, request.target)):
        frame = trained.morph.at_resolution(64).frame(t)
        off = SignedSurface(mesh.positions(), mesh.triangles().astype(np.int64))(frame.positions())
        assert np.abs(off).mean() < 1e-3
        assert 0.0 < trained.report[f"raw_chamfer_t{t:.0f}"] < 0.02
    assert trained.report["topology"] == "remesh"
    assert trained.report["training_steps"] == 300
    codes = trained.morph.field.state()[0]["codes"]
    assert codes.shape == (2, 4)
    assert np.linalg.norm(codes[0] - codes[1]) > 0.2  # they began about 0.3 from each other, at random


def test_every_frame_is_closed_and_the_hole_opens(ring):
    genus = []
    for mesh in ring[0].morph.at_resolution(40).frames([0.0, 0.2, 0.4, 0.6, 0.8, 1.0]):
        looks = topology(mesh.n_vertices, mesh.triangles())
        assert looks["closed"]
        genus.append(looks["genus"])
    assert (genus[0], genus[-1]) == (0, 1)


def test_a_morph_comes_back_from_its_bytes(ring):
    trained, request = ring
    again, facts = morph_from_bytes(morph_to_bytes(trained, request))
    assert facts["method"] == "shape_space"
    for t in (0.0, 0.1, 0.5, 1.0):
        ours, theirs = (morph.at_resolution(24).frame(t) for morph in (trained.morph, again))
        assert ours.vertices.tobytes() == theirs.vertices.tobytes()
        assert ours.face_indices.tobytes() == theirs.face_indices.tobytes()


def test_stops_are_shapes_on_the_way_of_a_smooth_path():
    source, target = icosphere(2, 0.5), icosphere(2, 0.6)
    stop = source.positions() * np.array([1.8, 0.7, 0.7])
    settings = ShapeSpaceSettings(**(SMALL | {"steps": 60}))
    morph = ShapeSpaceMorph().fit(pair_of(source, target, (stop,)), settings, Run(seed=0))
    assert isinstance(morph, FieldMorph)
    frame = morph.at_resolution(32).frame(0.5)
    off = SignedSurface(stop, source.triangles().astype(np.int64))(frame.positions())
    assert np.abs(off).max() < 0.02
    arrays, values = morph.state()
    assert arrays["codes"].shape == (3, 4)
    again = ShapeSpaceMorph().restore(source, arrays, values)
    for t in (0.3, 0.5):
        ours, theirs = (made.at_resolution(16).frame(t) for made in (morph, again))
        assert ours.vertices.tobytes() == theirs.vertices.tobytes()
    points = np.random.default_rng(0).uniform(-0.6, 0.6, (200, 3))
    raw = morph.field.raw()
    step = 1e-3
    before, at, after = (raw.values(points, 0.5 + k * step) for k in (-1, 0, 1))
    kink = np.abs(after - 2 * at + before).max()
    assert kink < 0.05 * np.abs(after - before).max()  # the velocity does not jump at the stop


@pytest.mark.parametrize(("activation", "depth"), [("sine", 3), ("softplus", 6)])
def test_points_first_is_the_same_function(activation, depth):
    network = SpaceNetwork(SpaceSettings(code=5, width=24, depth=depth, activation=activation), 2)
    network.start_(torch.Generator().manual_seed(3))
    points, code = torch.randn(40, 3), torch.randn(1, 5)
    there = points_first(network.mlp)(torch.cat([points, code.expand(40, -1)], dim=1))[:, 0]
    torch.testing.assert_close(there, network.values(points, code), atol=1e-5, rtol=1e-5)


def test_the_paper_preset_is_the_published_configuration():
    values = spec(get("shape-space")).resolve("paper", {})
    made = _space_settings(ShapeSpaceSettings(**values), 2)
    assert (made.width, made.depth, made.activation, made.code, made.batch) == (512, 8, "softplus", 256, 8000)
    assert (made.surface_weight, made.eikonal_weight, made.normal_weight) == (1.0, 0.1, 1.0)
    assert (made.code_weight, made.sigma, made.code_rate, made.halving, made.skip) == (1e-3, 0.01, 0.2, 500, 4)
    assert (made.known, values["mixed"], values["correction"]) == (0, 0, False)


def test_training_is_cancelled_and_ends_in_time_and_shows_itself():
    pair = pair_of(icosphere(2), icosphere(2, 1.5))
    settings = ShapeSpaceSettings(**SMALL)
    with pytest.raises(Cancelled):
        ShapeSpaceMorph().fit(pair, settings, Run(cancelled=lambda: True))
    shown: list[Morph] = []
    run = Run(seconds=6.0, on_preview=shown.append)
    morph = ShapeSpaceMorph().fit(pair, settings, run)  # without a budget it would be endless
    assert run.facts["training_steps"] > 0
    assert shown
    assert shown[0].frame(0.5).n_vertices < morph.frame(0.5).n_vertices
