"""Fields with a latent code: what they know of it, and that it moves first."""

from __future__ import annotations

import numpy as np
import pytest

from backend.guidance.guided_morph import GuidedMorph
from backend.guidance.layer import Layer
from backend.guidance.refine import RefineSettings, refine
from backend.guidance.view import covered
from backend.methods.field_morph import FieldMorph
from backend.methods.latent_field import LatentField
from backend.pipeline import train
from backend.training.run import Run
from tests.guidance.conftest import View, ball, camera, same
from tests.methods.conftest import request_for

SMALL = {"steps": 250, "width": 32, "depth": 2, "known": 256, "mixed": 128, "code": 4}


@pytest.fixture(scope="module")
def space() -> FieldMorph:
    """A ball and a longish one in one small shape space."""
    round_one = ball()
    longish = round_one.with_positions(round_one.positions() * [1.4, 0.8, 0.8])
    morph = train(request_for((round_one, longish), "shape_space", settings=SMALL, topology="remesh"), Run()).morph
    assert isinstance(morph, FieldMorph)
    return morph.at_resolution(40)


def latent(morph: FieldMorph) -> LatentField:
    assert isinstance(morph.field, LatentField)
    return morph.field


def test_the_gradient_by_the_code_is_that_of_differences(space: FieldMorph) -> None:
    field = latent(space)
    rng = np.random.default_rng(0)
    points, weights = rng.uniform(-1.2, 1.2, (300, 3)), rng.normal(size=300)
    for t in (0.1, 0.4):
        found = field.code_gradient(points, t, weights)
        for axis, step in enumerate(0.02 * np.eye(4)):
            ahead, behind = (weights @ field.steered(sign * step).values(points, t) for sign in (1.0, -1.0))
            assert found[axis] == pytest.approx((ahead - behind) / 0.04, rel=0.02, abs=0.02)
    assert not field.code_gradient(points, 0.0, weights).any()


def test_steering_there_and_back_changes_nothing(space: FieldMorph) -> None:
    field, shift = latent(space), np.array([0.1, -0.2, 0.05, 0.0])
    points = np.random.default_rng(1).uniform(-1.2, 1.2, (100, 3))
    there = field.steered(shift)
    assert np.abs(there.values(points, 0.4) - field.values(points, 0.4)).max() > 1e-3
    np.testing.assert_allclose(there.steered(-shift).values(points, 0.4), field.values(points, 0.4), atol=1e-6)


def test_the_code_moves_first_and_the_ends_stay(space: FieldMorph) -> None:
    """The outline of a later frame, which the code alone can reach."""
    later = space.frame(0.7)
    mask = covered(later.positions(), later.triangles().astype(np.int64), camera())
    found = refine(
        space, 0.3, [View(mask.astype(np.float32), camera())], RefineSettings(steps=20, resolution=32, side=96), Run()
    )
    assert found.report["views"][0]["iou"] >= 0.97 > found.report["views"][0]["iou_before"]
    assert isinstance(found.morph, GuidedMorph)
    (layer,) = found.morph.layers
    assert layer.code is not None
    assert np.linalg.norm(layer.code) < latent(space).code_span
    for t in (0.0, 1.0):
        assert same(found.morph, space, t)
    again = GuidedMorph(space, [Layer.restored(*layer.state())])
    assert same(again, found.morph, 0.4)
