"""``shape_space`` as a morph: free codes, exact ends, stops, and the same network in another order."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.methods.registry import get, spec
from backend.methods.shape_space import ShapeSpaceMorph, ShapeSpaceSettings, _space_settings, points_first
from backend.surfaces.space.network import SpaceNetwork
from backend.surfaces.space.settings import SpaceSettings
from tests.methods import rings

SMALL = {"steps": 400, "width": 32, "depth": 3, "known": 512, "mixed": 128, "space_frequency": 1.5, "code": 4}


@pytest.fixture(scope="module")
def ring() -> rings.Ring:
    return rings.trained_ring("shape_space", SMALL)


def test_the_ends_are_exact_and_the_codes_are_found(ring):
    rings.ends_are_exact(ring)
    rings.error_of_the_network_is_told(ring)
    codes = ring[0].morph.field.state()[0]["codes"]
    assert codes.shape == (2, 4)
    assert np.linalg.norm(codes[0] - codes[1]) > 0.2  # they began about 0.3 from each other, at random


def test_every_frame_is_closed_and_the_hole_opens(ring):
    rings.hole_opens(ring, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0], pieces=None)


def test_a_morph_comes_back_from_its_bytes(ring):
    rings.comes_back_from_bytes(ring)


def test_stops_are_shapes_on_the_way_of_a_smooth_path():
    morph = rings.passes_its_stop(ShapeSpaceMorph(), ShapeSpaceSettings(**(SMALL | {"steps": 60})))
    arrays, values = morph.state()
    assert arrays["codes"].shape == (3, 4)
    rings.same_frames(morph, ShapeSpaceMorph().restore(morph.source, arrays, values), (0.3, 0.5), 16)
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
    rings.is_cancelled_ends_in_time_and_shows_itself(ShapeSpaceMorph(), ShapeSpaceSettings(**SMALL), seconds=6.0)
