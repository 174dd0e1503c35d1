"""``one_lipschitz`` as a morph: no frame's field is steeper than 1, the ends are exact, stops are shapes on the way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.fields.one_lipschitz import OneLipschitz
from backend.geometry.metrics import topology
from backend.geometry.signed_distance import SignedSurface
from backend.geometry.triangles import signed_volume
from backend.methods.bounded_field import BoundedField
from backend.methods.carried_pair import RigidPair
from backend.methods.method import Morph
from backend.methods.one_lipschitz import OneLipschitzMorph, OneLipschitzMorphSettings
from backend.training.bounded_fit import timed
from backend.training.run import Cancelled, Run
from tests.meshes import icosphere
from tests.methods import rings
from tests.methods.conftest import pair_of
from tests.methods.test_lip_mlp import STILL

SMALL = {"steps": 400, "width": 32, "depth": 4, "known": 128, "mixed": 64, "learning_rate": 2e-2}


@pytest.fixture(scope="module")
def ring() -> rings.Ring:
    return rings.trained_ring("one_lipschitz", SMALL, told=False)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), t=st.floats(0.0, 1.0), pace=st.sampled_from([0.1, 3.0, 100.0]))
def test_no_slice_is_steeper_than_1_and_no_moment_faster_than_the_pace(seed: int, t: float, pace: float):
    network = OneLipschitz(4, 16, 4).double()
    generator = torch.Generator().manual_seed(seed)
    network.start_(generator)
    x, y = torch.randn(2, 200, 3, dtype=torch.float64, generator=generator)
    later = torch.rand(200, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        here = network(timed(x, t, pace))
        rise = (network(timed(y, t, pace)) - here).abs()
        change = (network(timed(x, later, pace)) - here).abs()
    assert bool((rise <= (1.0 + 1e-12) * (x - y).norm(dim=1)).all())
    assert bool((change <= (1.0 + 1e-12) * pace * (later - t).abs() + 1e-12).all())


def test_every_frame_of_a_trained_field_is_1_lipschitz(ring):
    field = ring[0].morph.field
    rng = np.random.default_rng(1)
    for t in (0.0, 0.03, 0.07, 0.3, 0.95, 1.0):
        low, high = field.box(t)
        a, b = rng.uniform(low, high, (2, 2000, 3))
        rise = np.abs(field.values(a, t) - field.values(b, t)) / np.linalg.norm(a - b, axis=1)
        assert rise.max() <= 1.0 + 1e-5
        assert field.slope == 1.0


def test_an_open_surface_whose_distance_is_steeper_keeps_the_bound():
    bowl = icosphere(3)
    kept = bowl.triangles()[bowl.positions()[bowl.triangles()].mean(axis=1)[:, 2] < 0.5]
    pair = pair_of(bowl, bowl)
    cut = pair.source_surface.__class__(
        pair.source_surface.positions, kept.astype(np.int64), pair.source_surface.vertex_map, ()
    )
    carried = RigidPair(cut, pair.target_surface, STILL)
    field = BoundedField(carried, [], OneLipschitz(4, 8, 2), 1.0, np.zeros(1), corrected=True)
    assert SignedSurface(cut.positions, cut.triangles).slope > 1.0
    a = np.random.default_rng(0).uniform(-1.0, 1.0, (4000, 3)) * np.array([1.0, 1.0, 0.3]) + np.array([0, 0, 0.5])
    b = a + 0.02 * np.random.default_rng(1).normal(size=a.shape)
    rise = np.abs(field.values(a, 0.0) - field.values(b, 0.0)) / np.linalg.norm(a - b, axis=1)
    assert rise.max() <= 1.0 + 1e-5


def test_a_ball_becomes_a_ring(ring):
    genus, volumes = [], []
    for mesh in ring[0].morph.at_resolution(40).frames(np.linspace(0.0, 1.0, 9).tolist()):
        looks = topology(mesh.n_vertices, mesh.triangles())
        assert (looks["closed"], looks["components"]) == (True, 1)
        genus.append(looks["genus"])
        volumes.append(signed_volume(mesh.positions(), mesh.triangles()))
    assert (genus[0], genus[-1]) == (0, 1)
    assert genus == sorted(genus)  # the hole opens once
    line = np.linspace(volumes[0], volumes[-1], len(volumes))
    assert np.abs(np.array(volumes) - line).max() < 0.06 * volumes[0]


def test_the_ends_are_exact_and_what_leads_there_is_continuous(ring):
    rings.ends_are_exact(ring)
    field = ring[0].morph.field
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (300, 3))
    values = np.stack([field.values(points, float(t)) for t in np.linspace(0.0, 1.0, 401)])
    assert np.abs(np.diff(values, axis=0)).max() < 0.05
    assert np.abs(values[0] - field.values(points, 0.12)).max() > 1e-3


def test_a_morph_comes_back_from_its_bytes(ring):
    rings.comes_back_from_bytes(ring, (0.0, 0.05, 0.5, 1.0))


def test_stops_are_shapes_on_the_way():
    morph = rings.passes_its_stop(OneLipschitzMorph(), OneLipschitzMorphSettings(**(SMALL | {"steps": 40})))
    rings.same_frames(morph, OneLipschitzMorph().restore(morph.source, *morph.state()), (0.2, 0.5), 16)


def test_training_is_cancelled_and_shows_itself():
    pair = pair_of(icosphere(2), icosphere(2, 1.5))
    small = OneLipschitzMorphSettings(**(SMALL | {"steps": 5}))
    with pytest.raises(Cancelled):
        OneLipschitzMorph().fit(pair, small, Run(cancelled=lambda: True))
    shown: list[Morph] = []
    OneLipschitzMorph().fit(pair, small, Run(on_preview=shown.append))
    assert shown
    assert shown[0].frame(0.5) is not None
