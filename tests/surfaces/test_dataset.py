"""The four datasets: which points they have, whether their labels are right, and where importance puts them."""

from __future__ import annotations

import numpy as np
import pytest

from backend.geometry.shape import LONGEST, Shape
from backend.surfaces.dataset import ARRAYS, MODES, Dataset
from backend.surfaces.extraction import PAPER, STANDARD, Counts, dataset_of, known_shape
from backend.surfaces.known_mesh import KnownMesh
from backend.surfaces.samples import Samples
from backend.training.run import Cancelled, Run
from protocol.mesh import MeshError
from protocol.settings import SettingError
from tests.meshes import grid, icosphere
from tests.surfaces.test_known_mesh import BOX, CORNERS

FEW = Counts(train=4000, sides=4000, test=2400)
HALF = np.array([3.0, 2.0, 1.0])  # of a box around (10, 20, 30)
SIDE = 6.0


def a_box() -> Shape:
    return Shape(CORNERS * HALF + [10, 20, 30], triangles=BOX.astype(np.int64))


def a_rectangle(open_end: bool = False) -> Shape:
    points = np.array([[7.0, 18], [13, 18], [13, 22], [7, 22]])
    segments = np.array([[0, 1], [1, 2], [2, 3], [3, 0]])
    return Shape(points, segments=segments[:2] if open_end else segments)


def a_cloud() -> Shape:
    sphere = icosphere(3).positions()
    return Shape(5.0 * sphere, normals=sphere)


def made(shape: Shape, mode: str, counts: Counts = FEW, importance: bool = True, seed: int = 0) -> Dataset:
    run = Run(seed=seed)
    return dataset_of(known_shape(shape, run), shape, mode, run, counts, importance=importance)


def to_box(data: Dataset, name: str) -> np.ndarray:
    """Signed distances of an array of points to the box or rectangle, by formula, in units."""
    points = data.test_points if name == "test" else data.arrays[name]
    assert points is not None
    middle = np.array([10.0, 20, 30])[: data.dimension]
    beyond = np.abs(data.frame.leave(points) - middle) - HALF[: data.dimension]
    outside = np.linalg.norm(np.maximum(beyond, 0.0), axis=1)
    return (outside + np.minimum(beyond.max(axis=1), 0.0)) / data.frame.length


@pytest.mark.parametrize("importance", [True, False])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [a_box(), a_rectangle()], ids=["mesh", "polyline"])
def test_arrays_counts_and_labels(shape: Shape, mode: str, importance: bool) -> None:
    data = made(shape, mode, importance=importance)
    wanted = set(ARRAYS[mode])
    assert set(data.arrays) == wanted
    assert data.frame.length == pytest.approx(SIDE / LONGEST)
    np.testing.assert_allclose(data.high - data.low, 2 * HALF[: data.dimension])
    for name, values in data.arrays.items():
        assert len(values) == (4400 if mode == "dist" else 4000), name
    if "on" in wanted:
        assert np.abs(to_box(data, "on")).max() < 1e-6
    if mode == "signed":
        assert (to_box(data, "inside") < 0.0).all()
        assert (to_box(data, "outside") > 0.0).all()
    if "distances" in wanted:
        truth = to_box(data, "points")
        labels = data.arrays["distances"]
        np.testing.assert_allclose(labels, np.abs(truth) if mode == "sal" else truth, atol=1e-6)
    if mode == "dist":
        assert (data.arrays["distances"] == 0.0).sum() == 400
    assert data.test_distances is not None
    truth = to_box(data, "test")
    np.testing.assert_allclose(data.test_distances, truth if mode in ("signed", "dist") else np.abs(truth), atol=1e-6)
    assert (np.abs(truth) < 1e-6).sum() == 400
    assert data.shape is not None
    assert data.facts["signed"] == (mode != "unsigned")


@pytest.mark.parametrize(
    ("mode", "name", "gain"),
    [("signed", "inside", 2.0), ("signed", "outside", 1.1), ("unsigned", "outside", 1.8), ("dist", "points", 1.2)],
)
def test_importance_draws_more_points_near_the_shape(mode: str, name: str, gain: float) -> None:
    """Of such a box most of the near box's volume is near its faces anyway."""
    counts = Counts(20_000, 20_000, 0)
    many = (np.abs(to_box(made(a_box(), mode, counts), name)) < 0.01 * LONGEST).mean()
    even = (np.abs(to_box(made(a_box(), mode, counts, importance=False), name)) < 0.01 * LONGEST).mean()
    assert many > gain * even


def test_important_points_are_as_dense_as_the_paper_weighs_them() -> None:
    """Above the middle of a large flat face they are exponential in the distance: exp(-30 |d| / side)."""
    plate = grid(1, 1.8)
    known = KnownMesh(plate.positions(), plate.triangles().astype(np.int64))
    samples = Samples(known, np.zeros(3), np.array([1.8, 1.8, 0.0]), Run(), True)
    points = samples.drawn(40_000, (1.0, 0.0, 0.0), samples.FAR)
    heights = np.sort(np.abs(points[(np.abs(points[:, :2] - 0.9) < 0.4).all(axis=1), 2])) / 1.8
    heights = heights[heights < 5 / 30]  # beyond, the plate's edge is seen
    below = np.arange(1, len(heights) + 1) / len(heights)
    wanted = (1.0 - np.exp(-30.0 * heights)) / (1.0 - np.exp(-5.0))
    assert len(heights) > 5000
    assert np.abs(below - wanted).max() < 0.02


def test_boxes_without_importance() -> None:
    data = made(a_box(), "dist", Counts(20_000, 20_000, 0), importance=False)
    reach = np.abs(data.frame.leave(data.arrays["points"]) - [10, 20, 30]) - HALF
    assert (reach.max(axis=1) <= 0.05 * SIDE + 1e-9).mean() == pytest.approx(0.91, abs=0.01)  # with those on the shape
    assert reach.max() > 1.9 * SIDE
    data = made(a_box(), "unsigned", Counts(20_000, 20_000, 0), importance=False)
    reach = np.abs(data.frame.leave(data.arrays["outside"]) - [10, 20, 30]) - HALF
    assert (reach.max(axis=1) <= 0.05 * SIDE + 1e-9).mean() == pytest.approx(0.5, abs=0.02)
    assert 0.9 * SIDE < reach.max() <= SIDE


def test_the_paper_has_twice_as_many_points() -> None:
    assert (PAPER.train, PAPER.test, STANDARD.train) == (100_000, 12_000, 50_000)


def test_the_seed_decides() -> None:
    one, same, other = (made(a_rectangle(), "signed", seed=seed).arrays["inside"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_plate_too_thin_for_chance_has_its_inside() -> None:
    shape = Shape(CORNERS * [1, 1, 2e-4], triangles=BOX.astype(np.int64))
    data = made(shape, "signed", Counts(500, 500, 0))
    heights = np.abs(data.frame.leave(data.arrays["inside"])[:, 2])
    assert len(heights) == 500
    assert (heights < 2e-4).all()
    assert len(np.unique(data.arrays["inside"], axis=0)) > 100


def test_a_cloud_has_every_mode_and_no_test_set() -> None:
    for mode in MODES:
        data = made(a_cloud(), mode, Counts(1000, 1000, 600))
        assert data.test_points is None
        assert set(data.arrays) == set(ARRAYS[mode])
        if mode == "signed":
            radius = {name: np.linalg.norm(data.arrays[name], axis=1) for name in ("inside", "outside")}
            assert (radius["inside"] < 0.93).all()
            assert (radius["outside"] > 0.87).all()


@pytest.mark.parametrize("shape", [a_rectangle(open_end=True), Shape(np.eye(3), segments=np.array([[0, 1], [1, 2]]))])
def test_a_shape_without_inside_has_no_signed_dataset(shape: Shape) -> None:
    with pytest.raises(SettingError, match="no inside"):
        made(shape, "signed")
    for mode in ("unsigned", "dist", "sal"):
        data = made(shape, mode, Counts(200, 200, 120))
        assert "normals" not in data.arrays
        assert data.test_distances is not None
        assert (data.test_distances >= 0.0).all()
        assert not data.facts["signed"]


def test_a_mode_that_does_not_exist() -> None:
    with pytest.raises(SettingError, match="no dataset of mode 'SAL'"):
        made(a_rectangle(), "SAL")


def test_it_can_be_cancelled() -> None:
    asked: list[str] = []
    run = Run(cancelled=lambda: len(asked) > 2, on_progress=lambda *step: asked.append(step[0]))
    with pytest.raises(Cancelled):
        dataset_of(known_shape(a_box(), run), a_box(), "signed", run, Counts(50_000, 50_000, 0))


def test_what_the_artist_should_know_is_told_once() -> None:
    sheet = grid(3)
    run = Run()
    for _ in range(2):
        known_shape(Shape(sheet.positions(), triangles=sheet.triangles().astype(np.int64)), run)
    assert len(run.said) == 1
    assert "no inside" in run.said[0]


def test_a_mesh_without_area_is_refused() -> None:
    with pytest.raises(MeshError, match="no face has an area"):
        known_shape(Shape(np.zeros((3, 3)), triangles=np.array([[0, 1, 2]])), Run())
    with pytest.raises(MeshError, match="there are no faces"):
        known_shape(Shape(np.zeros((3, 3)), triangles=np.zeros((0, 3), np.int64)), Run())
