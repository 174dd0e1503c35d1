"""The shape space: the network at a code, training, resuming, encoding, files; on balls, whose distances are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.geometry.shape import Shape, UnitFrame
from backend.surfaces.distance_field import field_of
from backend.surfaces.space.encoding import encode
from backend.surfaces.space.errors import errors_at, errors_of
from backend.surfaces.space.model import ShapeSpace, read_space, shipped_space, space_of, write_space
from backend.surfaces.space.network import SpaceNetwork
from backend.surfaces.space.objective import space_loss
from backend.surfaces.space.samples import NamedShape, means_of, samples_of
from backend.surfaces.space.settings import SpaceSettings, preset
from backend.surfaces.space.training import points_of, prepared, train_space
from backend.training.checkpoints import Checkpoints, checkpoint_named
from backend.training.run import Run
from backend.training.schedule import Cosine, Dropping
from backend.training.shape_samples import ShapeSamples, joined
from protocol.mesh import MeshError
from protocol.settings import SettingError
from tests.meshes import icosphere, torus

SMALL = {
    "steps": 400, "width": 32, "depth": 3, "known": 256, "code": 2, "learning_rate": 1e-2, "space_frequency": 1.5,
    "encode_steps": 60, "encode_points": 256,
}  # fmt: skip
RADII = (0.5, 0.7, 1.1)  # of the balls that are trained; 0.9 is held out


def ball(radius: float) -> Shape:
    mesh = icosphere(3, radius)
    return Shape(mesh.positions(), triangles=mesh.triangles().astype(np.int64))


def named(*radii: float) -> list[NamedShape]:
    return [NamedShape(f"ball_{radius}", ball(radius)) for radius in radii]


def begun(settings: SpaceSettings, shapes: list[NamedShape], seed: int = 0) -> ShapeSpace:
    points = np.concatenate([one.shape.used() for one in shapes])
    return ShapeSpace.begun(settings, [one.name for one in shapes], ["ball_0.9"], points, seed=seed)


@pytest.fixture(scope="module")
def balls() -> ShapeSpace:
    """A space of three balls."""
    shapes = named(*RADII)
    space = begun(preset("fast", 3, SMALL), shapes)
    samples, parents = prepared(space, shapes)
    train_space(space.network, samples, Run(seed=0), parents=parents)
    space.network.requires_grad_(False)
    return space


@pytest.mark.parametrize(("activation", "depth"), [("sine", 3), ("softplus", 6)])
def test_the_network_at_a_code_is_a_network_of_space(activation, depth):
    network = SpaceNetwork(SpaceSettings(code=7, width=32, depth=depth, activation=activation), 3)
    network.start_(torch.Generator().manual_seed(1))
    points, code = torch.randn(50, 3), torch.randn(7)
    plain = network.at(code)
    torch.testing.assert_close(plain(points), network.values(points, code[None]), atol=1e-5, rtol=1e-5)
    slopes = network.values_and_gradients(points, code[None])[1]
    torch.testing.assert_close(plain.value_and_gradient(points)[1], slopes, atol=1e-5, rtol=1e-5)


def test_values_belong_to_their_codes():
    network = SpaceNetwork(SpaceSettings(code=3, width=16, depth=2), 2)
    network.start_(torch.Generator().manual_seed(2))
    points, codes = torch.randn(6, 3), torch.randn(2, 3)
    both = network.values(points, codes)
    alone = [network.values(points[3 * k : 3 * k + 3], codes[k : k + 1]) for k in (0, 1)]
    torch.testing.assert_close(both, torch.cat(alone))
    assert network.codes.shape == (2, 3)
    assert float(network.codes.detach().abs().min()) > 0.0  # none begins at 0


def test_trained_balls_have_their_radii(balls):
    for radius, code in zip(RADII, balls.codes, strict=True):
        errors = errors_at(balls, code, ball(radius), cells=40)
        assert errors.chamfer < 1.0  # percent of the diagonal
        along = np.array([[radius, 0.0, 0.0], [0.0, 0.9 * radius, 0.0]])
        np.testing.assert_allclose(balls.field(code).values(along), [0.0, -0.1 * radius], atol=0.05)


def test_an_unseen_ball_is_found_and_found_again(balls):
    (samples,) = samples_of(named(0.9), balls.frame, balls.box, 0)
    found, again = (encode(balls.network, samples, Run(seed=4)) for _ in range(2))
    assert found.code.numpy().tobytes() == again.code.numpy().tobytes()
    assert errors_at(balls, found.code.double().numpy(), ball(0.9), cells=40).chamfer < 2.0
    assert found.start is None or balls.names[found.start] in ("ball_0.7", "ball_1.1")  # the neighbours


def test_a_cloud_is_encoded_by_its_points_alone(balls):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(400, 3))
    points = 0.9 * points / np.linalg.norm(points, axis=1, keepdims=True)
    cloud = NamedShape("scan", Shape(points, points / 0.9))
    (samples,) = samples_of([cloud], balls.frame, balls.box, 0)
    assert points_of(balls.network.settings, [samples]) == (0, 256)
    found = encode(balls.network, samples, Run(seed=0))
    errors = errors_at(balls, found.code.double().numpy(), cloud.shape, cells=40)
    assert errors.to_shape is None
    assert errors.chamfer < 2.0


def test_between_two_frames_of_a_sequence_lies_their_mean(balls):
    near, far = named(0.9, 1.0), named(0.5, 1.1)
    means, parents = means_of(near)
    assert parents == [(0, 1)]
    np.testing.assert_allclose(np.linalg.norm(means[0].shape.points, axis=1), 0.95, atol=1e-6)
    assert means_of(far) == ([], [])  # too far from each other
    ring = torus(32, 16, 0.7, 0.2)
    other = NamedShape("ring", Shape(ring.positions(), triangles=ring.triangles().astype(np.int64)))
    assert means_of([near[0], other]) == ([], [])  # other faces


def test_the_loss_by_hand():
    network = SpaceNetwork(SpaceSettings(code=2, width=8, depth=1, label_weight=3.0, code_weight=0.5), 1)
    with torch.no_grad():
        for value in network.parameters():
            value.zero_()
        network.mlp.layer(-1).bias.fill_(0.25)  # f is 0.25 everywhere
    none = torch.zeros(0, 3)
    labels = ShapeSamples(none, none, none, torch.zeros(2, 3), torch.tensor([0.25, 1.25]), torch.tensor([1.0, 0.5]))
    network.requires_grad_(False)
    code = torch.tensor([[3.0, 4.0]])
    generator = torch.Generator().manual_seed(0)
    assert float(space_loss(network, labels, code, network.settings, generator)) == pytest.approx(
        0.5 * 5.0 + 3.0 * 0.25
    )
    on = torch.randn(4, 3)
    normals = torch.tensor([[0.0, 0.0, 1.0]] * 2 + [[0.0, 0.0, 0.0]] * 2)  # half of them not known
    points = ShapeSamples(on, normals, on, none, torch.zeros(0), torch.zeros(0))
    published = float(space_loss(network, points, code, network.settings, generator))
    assert published == pytest.approx(0.5 * 5.0 + 0.25 + 0.1 * 1.0 + 1.0 * 1.0, rel=1e-4)  # gradients are 0


def test_the_published_losses_alone_find_two_balls():
    rng = np.random.default_rng(0)
    clouds = []
    for radius in (0.6, 1.0):
        points = rng.normal(size=(600, 3))
        points = radius * points / np.linalg.norm(points, axis=1, keepdims=True)
        clouds.append(NamedShape(str(radius), Shape(points, points / radius)))
    settings = preset("paper", 2, {"steps": 120, "width": 32, "depth": 3, "code": 4, "batch": 96, "halving": 1000})
    space = begun(settings, clouds)
    samples, parents = prepared(space, clouds)
    assert parents == []
    train_space(space.network, samples, Run(seed=0))
    space.network.requires_grad_(False)
    for cloud, code in zip(clouds, space.codes, strict=True):
        radius = float(cloud.name)
        inside, on, outside = space.field(code).values(np.array([[r * radius, 0.0, 0.0] for r in (0.6, 1.0, 1.3)]))
        assert inside < -0.1 < 0.1 < outside
        assert abs(on) < 0.1


def test_the_paper_preset_is_the_published_configuration():
    made = preset("paper", 6258)
    assert (made.width, made.depth, made.skip, made.code, made.activation) == (512, 8, 4, 256, "softplus")
    assert (made.batch, made.shapes, made.known, made.between, made.sigma) == (8000, 16, 0, False, 0.01)
    assert made.steps == 10_000 * 392
    assert made.learning_rate * made.code_rate == pytest.approx(1e-3)
    assert (made.encode_steps, made.encode_rate, made.encode_points) == (800, 5e-3, 16_384)
    with pytest.raises(SettingError, match="no preset 'slow'"):
        preset("slow", 2)


def test_a_rate_drops_once():
    dropping = Dropping(5e-3, 0.5, 0.1)
    assert [dropping.rate(0, done) for done in (0.0, 0.49)] == [5e-3, 5e-3]
    assert dropping.rate(0, 0.5) == pytest.approx(5e-4)
    assert Cosine(5e-3).rate(100, 0.5) < 5e-3


def test_codes_go_on_from_a_checkpoint_with_the_weights(tmp_path):
    """The published code trains on with codes that are not those of its optimiser; here both go on exactly."""
    shapes = named(0.5, 0.7)
    settings = preset("fast", 2, SMALL | {"steps": 4, "keep_every": 2, "between": False})

    def trained(start: Path | None) -> torch.Tensor:
        space = begun(settings, shapes)
        samples, _ = prepared(space, shapes)
        train_space(space.network, samples, Run(seed=0), Checkpoints(tmp_path / "kept", 2, start))
        return space.network.codes.detach().clone()

    first = trained(None)
    at_two = checkpoint_named(tmp_path / "kept", "2")
    before = begun(settings, shapes).network
    Checkpoints(at_two.parent, start=at_two)
    again = trained(at_two)
    assert (tmp_path / "kept" / "step_000004.safetensors").is_file()
    assert not torch.equal(again, before.codes)
    assert float((again - first).abs().max()) < 0.05  # two steps of Adam on, from the same moments


def test_a_space_comes_back_from_its_file(balls, tmp_path):
    path = tmp_path / "balls.safetensors"
    write_space(path, balls)
    again = read_space(path)
    assert again.to_bytes() == balls.to_bytes()
    assert (again.names, again.held_out) == (balls.names, ("ball_0.9",))
    assert list(tmp_path.iterdir()) == [path]
    field = balls.field(balls.codes[0])
    points = np.random.default_rng(0).uniform(-0.8, 0.8, (50, 3))
    np.testing.assert_array_equal(field_of(field.to_bytes(), "field").values(points), field.values(points))
    with pytest.raises(SettingError, match="not a space of `shape-space train`"):
        space_of(field.to_bytes(), "field.safetensors")
    with pytest.raises(SettingError, match="not a space"):
        space_of(b"nothing", "x")
    with pytest.raises(SettingError, match="no checkpoint"):
        read_space(path, "latest")


def test_random_steps_are_spread_like_the_codes(balls):
    steps = balls.random_steps(4000, seed=1)
    away = balls.codes - balls.codes.mean(axis=0)
    np.testing.assert_allclose(np.cov(steps.T), away.T @ away / len(away), atol=0.1 * np.abs(away).max() ** 2)


def test_errors_are_what_they_should_be():
    shell = icosphere(4, 1.1)
    errors = errors_of((shell.positions(), shell.triangles().astype(np.int64)), ball(1.0))
    diagonal = 2.0 * np.sqrt(3.0)
    assert errors.chamfer == pytest.approx(100.0 * 0.1 / diagonal, rel=0.05)
    nothing = errors_of((np.zeros((0, 3)), np.zeros((0, 3), np.int64)), ball(1.0))
    assert nothing.chamfer == 100.0


def test_curves_and_two_points_are_refused():
    frame, box = UnitFrame(np.zeros(3), 1.0), (-np.ones(3), np.ones(3))
    flat = NamedShape("drawing.svg", Shape(np.zeros((9, 2))))
    few = NamedShape("few.xyz", Shape(np.zeros((2, 3))))
    for shape in (flat, few):
        with pytest.raises(MeshError, match="takes meshes and point clouds in space"):
            samples_of([shape], frame, box, 0)


def test_the_shipped_space_is_of_a_fox():
    space = shipped_space()
    assert len(space.to_bytes()) < 1_000_000
    assert len(space.held_out) == 4
    positions = space.field(space.codes[0]).values(np.zeros((1, 3)))
    assert np.isfinite(positions).all()


def test_joined_samples_keep_their_order():
    one, two = samples_of(named(0.5, 0.7), UnitFrame(np.zeros(3), 1.0), (-np.ones(3), np.ones(3)), 0)
    both = joined([one.draw(3, 2, torch.Generator()), two.draw(3, 2, torch.Generator())])
    assert both.surface[:3].norm(dim=1).max() < 0.55 < 0.65 < both.surface[3:].norm(dim=1).min()
    assert len(both.points) == 4
