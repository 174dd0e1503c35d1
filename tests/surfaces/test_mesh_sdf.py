"""The decoder of MeshSDF: samples, the way between two shapes, training and going on, files, and a descent."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.fields.deep_sdf import PAIR, SINGLE_VIEW
from backend.geometry.shape import Shape
from backend.losses.clamped_difference import clamped_difference
from backend.rendering.camera import OrbitCamera
from backend.surfaces.mesh_sdf.between import on_the_way, turn_of
from backend.surfaces.mesh_sdf.descent import descend, silhouette_of
from backend.surfaces.mesh_sdf.model import DecoderModel, read_decoder, write_decoder
from backend.surfaces.mesh_sdf.samples import BALL, drawn, read_side, write_samples
from backend.surfaces.mesh_sdf.settings import DecoderSettings, preset
from backend.surfaces.mesh_sdf.training import every_pair, train_decoder, training_facts
from backend.surfaces.mesh_sdf.training_data import TrainingData, of_shapes
from backend.training.checkpoints import Checkpoints, checkpoint_named
from backend.training.run import Run
from protocol.mesh import MeshData, MeshError
from protocol.settings import SettingError
from tests.meshes import grid, icosphere, torus

SMALL = {"width": 64, "depth": 3, "skip": None, "degree": 2, "steps": 400, "points": 256, "between": 256}
CAMERA = OrbitCamera(45.0, 30.0, 2.5, 96, 96).camera()


def shape_of(mesh: MeshData) -> Shape:
    return Shape(mesh.positions() + np.array([3.0, 0.0, 1.0]), triangles=mesh.triangles().astype(np.int64))


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """A ball and a torus, away from the origin and of other sizes."""
    meshes = {"ball": icosphere(3, 2.0), "ring": torus(32, 16, major=0.75, minor=0.3)}
    return of_shapes([(name, shape_of(mesh)) for name, mesh in meshes.items()], seed=0)


def ring_in(data: TrainingData) -> tuple[np.ndarray, np.ndarray]:
    """The torus in the frame of the decoder."""
    mesh = shape_of(torus(32, 16, major=0.75, minor=0.3))
    assert mesh.triangles is not None
    return data.frames[1].enter(mesh.points), mesh.triangles


def begun(data: TrainingData, **changes: object) -> DecoderModel:
    return DecoderModel.begun(preset("fast", 2, SMALL | changes), data.names, data.frames)


@pytest.fixture(scope="module")
def trained(data: TrainingData) -> DecoderModel:
    model = begun(data)
    settings = model.decoder.settings
    between = data.between(settings, every_pair(2), 0, torch.device("cpu"))
    outcome = train_decoder(model.decoder, data.samples, Run(seed=0), between=between)
    model.decoder.requires_grad_(False)
    return replace(model, facts=training_facts(model.decoder, data, outcome))


def test_samples_are_exact_distances_in_a_ball(data: TrainingData) -> None:
    for outside, inside in (*data.samples, *data.test):
        assert (outside[:, 3] > 0.0).all()
        assert (inside[:, 3] <= 0.0).all()
    ball = np.concatenate(data.samples[0])
    assert np.abs(ball[:, 3] - (np.linalg.norm(ball[:, :3], axis=1) - BALL)).max() < 0.01  # its faces are flat
    ring = np.concatenate(data.samples[1])
    scale = BALL / 1.05
    away = np.hypot(np.linalg.norm(ring[:, :2], axis=1) - 0.75 * scale, ring[:, 2]) - 0.3 * scale
    assert np.abs(ring[:, 3] - away).max() < 0.02
    assert np.mean(np.abs(ring[:, 3]) < 0.1) > 0.8  # most are near the shape
    assert data.frames[0].centre == pytest.approx([3.0, 0.0, 1.0], abs=1e-6)
    rng = np.random.default_rng(0)
    chosen = drawn(data.samples[0], 101, rng)
    assert (chosen.shape, int((chosen[:, 3] <= 0.0).sum())) == ((101, 4), 50)


def test_an_open_sheet_has_no_samples() -> None:
    with pytest.raises(MeshError, match="sheet: the shape has no inside"):
        of_shapes([("sheet", shape_of(grid(4, 4)))], seed=0)


def test_published_files_keep_their_samples_but_for_what_is_no_number(tmp_path: Path) -> None:
    outside = np.array([[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, np.nan]], np.float32)
    write_samples(tmp_path / "one.npz", outside, -np.ones((3, 4), np.float32))
    assert read_side(tmp_path / "one.npz", "pos").tolist() == outside[:1].tolist()
    assert len(read_side(tmp_path / "one.npz", "neg")) == 3
    np.savez(tmp_path / "two.npz", pos=outside[:, :3])
    for side, message in (("pos", r"\[2, 3\]"), ("neg", "arrays pos and neg")):
        with pytest.raises(SettingError, match=message):
            read_side(tmp_path / "two.npz", side)


def test_clamped_differences() -> None:
    found = torch.tensor([0.05, 0.5, -0.5, -0.5])
    known = torch.tensor([0.03, 0.2, -0.3, 0.3])
    assert float(clamped_difference(found, known, 0.1, published=True)) == pytest.approx((0.02 + 0.2) / 4)
    ours = clamped_difference(found.requires_grad_(), known, 0.1)
    assert ours.item() == pytest.approx((0.02 + 0.6) / 4)
    assert torch.autograd.grad(ours, found)[0].tolist() == [0.25, 0.0, 0.0, -0.25]  # the wrong side still learns


def test_the_way_only_fills_and_then_only_empties() -> None:
    first, second = torch.randn(2, 500, generator=torch.Generator().manual_seed(0)) * 0.3
    turn = turn_of(first, second)
    assert 0.3 < turn.share < 0.7
    shares = [k * turn.share / 10 for k in range(10)] + [turn.share + k * (1.0 - turn.share) / 10 for k in range(11)]
    steps = [on_the_way(first, second, torch.full((500,), share), turn) for share in shares]
    torch.testing.assert_close(steps[0], first, atol=1e-5, rtol=0.0)
    torch.testing.assert_close(steps[-1], second, atol=1e-5, rtol=0.0)
    inside = [step < 0.0 for step in steps]
    for k in range(10):
        assert (inside[k + 1] | ~inside[k]).all()
        assert (inside[k + 10] | ~inside[k + 11]).all()
    assert (inside[10] | ~((first < 0.0) | (second < 0.0))).all()
    within = turn_of(first, first - 0.1)  # nothing is to be emptied: all of the way is growing
    assert (within.share, within.shrinking) == (1.0, 0.0)


def test_training_finds_both_shapes_and_its_file_brings_them_back(
    trained: DecoderModel, data: TrainingData, tmp_path: Path
) -> None:
    assert trained.facts["l1"] < 0.008
    write_decoder(tmp_path / "model.safetensors", trained)
    again = read_decoder(tmp_path / "model.safetensors")
    assert (again.names, again.facts) == (("ball", "ring"), trained.facts)
    assert again.frames[1].length == trained.frames[1].length
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (50, 3))
    ours, theirs = (model.values_at(model.decoder.codes[1])(points) for model in (trained, again))
    assert ours.tobytes() == theirs.tobytes()
    (tmp_path / "none.safetensors").write_bytes(b"nothing")
    with pytest.raises(SettingError, match="not a decoder of `deep-sdf train`"):
        read_decoder(tmp_path / "none.safetensors")


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_training_that_goes_on_ends_at_the_same_weights_twice(
    data: TrainingData, tmp_path: Path, dropout: float
) -> None:
    def going_on(name: str) -> DecoderModel:
        model = begun(data, steps=20, dropout=dropout, between=16)
        between = data.between(model.decoder.settings, every_pair(2), 3, torch.device("cpu"))
        train_decoder(model.decoder, data.samples, Run(seed=3), Checkpoints(tmp_path / name, 10), between=between)
        model = begun(data, steps=20, dropout=dropout, between=16)
        start = checkpoint_named(tmp_path / name, "10")
        checkpoints = Checkpoints(tmp_path / name, 10, start)
        train_decoder(model.decoder, data.samples, Run(seed=3), checkpoints, between=between)
        return model

    one, two = going_on("one"), going_on("two")
    assert not one.decoder.training
    for a, b in zip(one.decoder.state_dict().values(), two.decoder.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_descent_closes_the_hole(trained: DecoderModel, data: TrainingData) -> None:
    ball = icosphere(3, BALL)
    seen = silhouette_of((ball.positions(), ball.triangles().astype(np.int64)), CAMERA)
    found = descend(trained, 1, seen, CAMERA, Run(), cells=40)
    assert found.iterations == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
    assert found.loss[-1] < found.loss[0] / 20
    assert (found.euler[0], found.euler[-1]) == (0, 2)
    assert found.components[-1] == 1
    assert len(found.meshes) == len(found.codes) == 11


def test_a_target_that_is_not_seen_is_refused(trained: DecoderModel, data: TrainingData) -> None:
    positions, triangles = ring_in(data)
    with pytest.raises(SettingError, match="looks away"):
        silhouette_of((positions + np.array([50.0, 0.0, 0.0]), triangles), CAMERA)
    with pytest.raises(SettingError, match="silhouette is empty"):
        descend(trained, 0, torch.zeros(1, 96, 96), CAMERA, Run())


def test_a_surface_that_is_gone_is_told(trained: DecoderModel) -> None:
    decoder = deepcopy(trained.decoder)
    decoder.network.layers[-1].bias.data.fill_(3.0)  # outside everywhere
    with pytest.raises(SettingError, match="the surface is gone after 0 steps"):
        descend(replace(trained, decoder=decoder), 0, torch.ones(1, 96, 96), CAMERA, Run(), cells=16)


def test_the_published_presets() -> None:
    pair, cars = preset("paper", 2), preset("paper-single-view", 100)
    assert (pair.form, pair.steps, pair.points, pair.shapes) == (PAIR, 4000, 32_192, 2)
    assert (cars.form, cars.steps, cars.points, cars.shapes) == (SINGLE_VIEW, 2001 * 7, 8192, 16)
    for settings in (pair, cars):
        assert (settings.rate, settings.code_rate * settings.rate, settings.halving) == (5e-4, 1e-3, 500)
        assert (settings.clamp, settings.published_clamp, settings.between) == (0.1, True, 0)
    assert preset("fast", 2) == DecoderSettings()
    assert preset("fast", 50).between == 0
    with pytest.raises(SettingError, match="no preset"):
        preset("slow", 2)
