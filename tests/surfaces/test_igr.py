"""``igr`` on shapes whose distance is known by formula: in space and in the plane, with normals and without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.fields.distance_mlp import DistanceMlp, geometric_
from backend.geometry.shape import Shape
from backend.surface_fit import FitRequest, Fitted, fit_shape
from backend.surfaces.extraction import dataset_of, known_shape
from backend.surfaces.igr import Igr, IgrSettings, igr_loss
from backend.surfaces.igr_points import IgrPoints, igr_points
from backend.surfaces.step_samples import StepSamples
from backend.training.adam import Adam
from backend.training.run import Run
from backend.training.schedule import Halving
from protocol.settings import SettingError
from tests.geometry.test_orientation import ring
from tests.one_thread import one_thread as one_thread
from tests.surfaces.test_known_cloud import to_ring

SMALL = {"width": 48, "depth": 3, "batch": 128, "local": 32, "known": 64}


def circle(n: int) -> tuple[np.ndarray, np.ndarray]:
    turn = np.linspace(0.0, 2.0 * np.pi, n, endpoint=False)
    normals = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return 5.0 + 2.0 * normals, normals


def fitted(shape: Shape, **settings: object) -> Fitted:
    return fit_shape(shape, FitRequest("igr", settings=SMALL | settings), Run())  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [True, False])
def test_a_circle_in_the_plane_far_from_the_origin(given: bool) -> None:
    points, normals = circle(500)
    field = fitted(Shape(points, normals if given else None), steps=600, frequency_2d=4.0).field
    asked = np.random.default_rng(0).uniform(2.5, 7.5, (2000, 2))
    wanted = np.linalg.norm(asked - 5.0, axis=1) - 2.0
    found = field.values(asked)
    near = np.abs(wanted) < 0.5
    assert np.median(np.abs(found - wanted)[near]) < 0.02
    clear = np.abs(wanted) > 0.05
    assert ((found < 0.0) == (wanted < 0.0))[clear].all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_without_normals_a_ring_is_never_inside_out(seed: int) -> None:
    points, _ = ring(4000, np.random.default_rng(seed))
    result = fit_shape(Shape(points), FitRequest("igr", settings={**SMALL, "steps": 250}), Run(seed=seed))
    asked = np.random.default_rng(9).uniform([-1.5, -1.5, -0.5], [1.5, 1.5, 0.5], (2000, 3))
    wanted, found = to_ring(asked), result.field.values(asked)
    assert ((found < 0.0) == (wanted < 0.0)).mean() > 0.98
    assert "without" not in result.report["mode"]
    assert any("no normals" in sentence for sentence in result.report["said"])


def points_of(cloud: Shape, *, estimate: bool, labels: bool) -> IgrPoints:
    run = Run()
    data = dataset_of(known_shape(cloud, run), cloud, "signed", run)
    return igr_points(data, run, estimate=estimate, labels=labels)


def test_the_papers_losses_see_neither_estimated_normals_nor_labels() -> None:
    points, normals = ring(2000, np.random.default_rng(3))
    alone = points_of(Shape(points), estimate=False, labels=False)
    assert alone.normals is None
    assert alone.known is None
    assert points_of(Shape(points, normals), estimate=False, labels=False).normals is not None
    assert points_of(Shape(points), estimate=True, labels=True).normals is not None


def test_the_reach_is_measured_on_positions_alone() -> None:
    points, normals = ring(2000, np.random.default_rng(3))
    with_normals = points_of(Shape(points, normals), estimate=False, labels=False)
    distance = torch.cdist(with_normals.on[:50], with_normals.on)
    torch.testing.assert_close(distance.kthvalue(51).values, with_normals.reach[:50], rtol=1e-3, atol=1e-5)


def test_labels_of_a_cloud_are_those_it_is_sure_of() -> None:
    points, _ = ring(6000, np.random.default_rng(4))
    scale = 1.8 / np.ptp(points, axis=0).max()
    labelled = points_of(Shape(points), estimate=True, labels=True)
    assert labelled.known is not None
    wanted = scale * to_ring(labelled.known.numpy().astype(float) / scale)
    found = labelled.distances.numpy()
    assert ((found < 0.0) == (wanted < 0.0)).mean() > 0.995
    assert np.quantile(np.abs(found - wanted), 0.95) < 0.02


def test_a_dataset_without_its_shape_is_enough() -> None:
    points, normals = ring(3000, np.random.default_rng(5))
    cloud, run = Shape(points, normals), Run()
    data = replace(dataset_of(known_shape(cloud, run), cloud, "signed", run), shape=None)
    field = fit_shape(data, FitRequest("igr", settings={**SMALL, "steps": 200}), Run()).field
    assert field.values(np.array([[1.0, 0.0, 0.0]]))[0] < 0.0 < field.values(np.array([[0.0, 0.0, 0.0]]))[0]


def test_an_unsigned_field_is_refused_in_words() -> None:
    points, normals = ring(2000, np.random.default_rng(6))
    with pytest.raises(SettingError, match="igr makes signed fields only"):
        fit_shape(Shape(points, normals), FitRequest("igr", mode="unsigned"), Run())


def largest_loss(warm_up: int) -> float:
    """Over the first updates of the paper's network at the paper's rate, in units of the loss before them."""
    settings = IgrSettings(**Igr.presets["paper"] | {"batch": 64, "local": 64})  # type: ignore[arg-type]
    points = points_of(Shape(ring(2000, np.random.default_rng(7))[0]), estimate=False, labels=False)
    network = DistanceMlp(3, settings.width, settings.depth, settings.activation, 4)
    geometric_(network.mlp, 1.0, torch.Generator().manual_seed(0))
    optimiser, draw = Adam(list(network.parameters())), StepSamples(0, torch.device("cpu"))
    schedule, losses = Halving(settings.learning_rate, warm_up=warm_up), []
    for step in range(6):
        loss = igr_loss(network, points, draw, step, settings)
        losses.append(loss.item())
        optimiser.step(list(torch.autograd.grad(loss, list(network.parameters()))), schedule.rate(step, 0.0))
    return max(losses) / losses[0]


def test_a_warm_up_keeps_the_papers_rate_from_blowing_up() -> None:
    assert largest_loss(0) > 3.0
    assert largest_loss(100) < 1.5
