"""``lip_mlp``: shapes of the same and of different topology in one network, stops, codes of any dimension."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.fields.lipschitz_mlp import LipschitzMlp
from backend.flow.co_moving import CoMoving
from backend.geometry.metrics import topology
from backend.geometry.repair import working_pair
from backend.geometry.signed_distance import SignedSurface
from backend.geometry.triangles import areas, signed_volume
from backend.losses.envelope import envelope
from backend.losses.known_distance import known_distance
from backend.methods.carried_pair import RigidPair
from backend.methods.field_morph import FieldMorph
from backend.methods.latent_field import LatentField, latent_shapes
from backend.methods.lip_mlp import LipMlp, LipMlpSettings, _fit
from backend.methods.method import Morph
from backend.methods.registry import get, spec
from backend.pipeline import train
from backend.training.run import Run
from backend.training.schedule import Cosine, Halving
from backend.training.shape_fit import ShapeFit, fit_shapes
from backend.training.shape_samples import Shape, box_of, sample_between, sample_shapes
from protocol.mesh import MeshData
from tests.meshes import grid, icosphere, torus
from tests.methods import rings
from tests.methods.conftest import request_for

SMALL = {
    "steps": 400, "width": 32, "depth": 3, "known": 512, "mixed": 128, "space_frequency": 1.5, "learning_rate": 1.5e-2,
}  # fmt: skip
STILL = CoMoving((0.0, 0.0, 0.0), 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 1.0)
CPU = torch.device("cpu")


def shape(mesh: MeshData, *offset: float) -> Shape:
    return Shape.of(mesh.positions() + np.array(offset or (0.0, 0.0, 0.0)), mesh.triangles().astype(np.int64))


def fit(**changes: object) -> ShapeFit:
    values: dict[str, object] = {
        "steps": 400, "schedule": Cosine(1.5e-2), "width": 32, "depth": 3, "activation": "sine", "batch": 0,
        "known": 512, "mixed": 128, "lipschitz_weight": 1e-6, "space_frequency": 1.5, "code_frequency": 0.3,
    }  # fmt: skip
    return ShapeFit(**(values | changes))  # type: ignore[arg-type]


def volumes(morph: Morph, times: list[float]) -> list[float]:
    """Of frames that are all closed and in one piece."""
    found = []
    for mesh in morph.frames(times):
        looks = topology(mesh.n_vertices, mesh.triangles())
        assert (looks["closed"], looks["components"]) == (True, 1)
        found.append(signed_volume(mesh.positions(), mesh.triangles()))
    return found


@pytest.fixture(scope="module")
def ring() -> rings.Ring:
    return rings.trained_ring("lip_mlp", SMALL, told=False, topology="auto")


def test_the_volume_between_two_balls_grows_all_the_way():
    """Without a frame that grows: all of it is the network's."""
    small, large = icosphere(3, 0.5), icosphere(3, 1.0)
    surfaces = working_pair(small, large)
    carried = RigidPair(*surfaces, STILL)
    network, _ = fit_shapes(latent_shapes(carried, []), np.array([[0.0], [1.0]]), fit(), Run(seed=0))
    for corrected in (False, True):
        field = LatentField(carried, [], network.normalised(), corrected=corrected)
        found = volumes(FieldMorph(small, large, field, 24), [0.0, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0])
        assert all(after > before for before, after in itertools.pairwise(found))
        assert found[0] == pytest.approx(4 / 3 * np.pi * 0.125, rel=0.15)
        assert found[-1] == pytest.approx(4 / 3 * np.pi, rel=0.08)


def test_a_ball_becomes_a_ring(ring):
    genus = rings.hole_opens(ring, np.linspace(0.0, 1.0, 9).tolist())
    assert genus == sorted(genus)  # the hole opens once


def test_the_ends_are_exact_and_the_report_says_how_far_the_network_was(ring):
    rings.ends_are_exact(ring)
    rings.error_of_the_network_is_told(ring)


def test_a_sheet_is_one_shell_at_coarse_cells():
    """At the ends, the cells get as small as the shell wants."""
    pair = grid(12, 1.0), icosphere(2, 0.5)
    trained = train(request_for(pair, "lip_mlp", settings={"steps": 1}), Run())
    coarse = trained.morph.at_resolution(16).frame(0.0)
    shell = topology(coarse.n_vertices, coarse.triangles())
    assert (shell["closed"], shell["components"], shell["genus"]) == (True, 1, 0)
    area = 1.0 + 4 * 0.5 / 64  # of half of it, with the rim
    assert areas(coarse.positions(), coarse.triangles()).sum() == pytest.approx(2 * area, rel=0.1)


def test_the_correction_fades_smoothly(ring):
    field = ring[0].morph.field
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (300, 3))
    times = np.linspace(0.0, 1.0, 401)
    values = np.stack([field.values(points, float(t)) for t in times])
    assert np.abs(np.diff(values, axis=0)).max() < 0.05  # no jump at the edges of the windows
    np.testing.assert_allclose(field.values(points, 0.5), field.raw().values(points, 0.5))
    assert np.abs(values[0] - field.raw().values(points, 0.0)).max() > 1e-4


def test_the_slope_bounds_the_gradient(ring):
    field = ring[0].morph.field
    rng = np.random.default_rng(1)
    for t in (0.0, 0.1, 0.6, 0.95):
        low, high = field.box(t)
        a = rng.uniform(low, high, (3000, 3))
        b = a + 0.02 * rng.normal(size=a.shape)
        rise = np.abs(field.values(a, t) - field.values(b, t)) / np.linalg.norm(a - b, axis=1)
        assert rise.max() <= field.slope


def test_a_morph_comes_back_from_its_bytes(ring):
    rings.comes_back_from_bytes(ring)


def test_stops_are_shapes_on_the_way():
    morph = rings.passes_its_stop(LipMlp(), LipMlpSettings(**(SMALL | {"steps": 60})))
    rings.same_frames(morph, LipMlp().restore(morph.source, *morph.state()), (0.3, 0.5), 16)
    stop = 0.5 * np.array([1.8, 0.7, 0.7])  # half axes
    low, high = morph.field.box(0.5)
    assert (low < -stop).all()
    assert (high > stop).all()


def test_three_shapes_with_codes_in_the_plane():
    """The setting of LipMLP's own paper: any number of shapes, each at a latent code."""
    shapes = [shape(icosphere(3, 0.8)), shape(torus(32, 16, 0.7, 0.25)), shape(icosphere(2, 0.5), 0.2, 0.0, 0.0)]
    codes = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    network, outcome = fit_shapes(shapes, codes, fit(steps=350), Run(seed=0))
    plain = network.normalised()
    points = np.random.default_rng(0).uniform(*box_of(shapes), (2000, 3))
    distances = np.stack([SignedSurface(s.positions, s.triangles, s.sides)(points) for s in shapes])

    def at(code: np.ndarray) -> np.ndarray:
        inputs = np.concatenate([points, np.tile(code, (len(points), 1))], axis=1)
        with torch.no_grad():
            return plain(torch.as_tensor(inputs, dtype=torch.float32))[:, 0].double().numpy()

    for code, distance in zip(codes, distances, strict=True):
        near = np.abs(distance) < 0.1
        assert np.abs(at(code) - distance)[near].mean() < 0.03
    middle = at(codes.mean(axis=0))
    outside = distances.min(axis=0) > 0.2
    assert outside.sum() > 200
    assert (middle[outside] > 0.0).all()
    assert outcome.steps == 350


def test_the_paper_preset_is_the_published_configuration():
    values = spec(get("lip-mlp")).resolve("paper", {})
    made = _fit(LipMlpSettings(**values), Run())
    assert (made.width, made.depth, made.activation, made.batch, made.steps) == (512, 8, "softplus", 1000, 10_000)
    assert (made.surface_weight, made.eikonal_weight, made.normal_weight) == (1.0, 0.1, 1.0)
    assert made.lipschitz_weight == 1e-10
    assert (made.known, made.mixed, values["correction"]) == (0, 0, False)
    assert made.schedule == Halving(1e-3, 2000, 5e-6)


def test_the_papers_losses_alone_find_a_ball():
    ball = shape(icosphere(3, 0.7))
    published = fit(
        steps=150, activation="softplus", batch=128, known=0, mixed=0, schedule=Halving(3e-3), lipschitz_weight=1e-10
    )
    network, _ = fit_shapes([ball], np.array([[0.0]]), published, Run(seed=0))
    with torch.no_grad():
        inputs = torch.tensor([[r, 0.0, 0.0, 0.0] for r in (0.5, 0.7, 0.9)])
        inside, on, outside = network(inputs)[:, 0].tolist()
    assert inside < -0.1 < 0.1 < outside
    assert abs(on) < 0.05


def test_training_is_cancelled_and_ends_in_time_and_shows_itself():
    rings.is_cancelled_ends_in_time_and_shows_itself(LipMlp(), LipMlpSettings(**SMALL), seconds=8.0)


def test_samples_lie_where_they_say():
    ball = shape(icosphere(4))
    (drawn,) = sample_shapes([ball], np.random.default_rng(0), CPU, labels=True)
    assert float((drawn.surface.norm(dim=1) - 1.0).abs().max()) < 5e-3
    assert float(((drawn.surface * drawn.normals).sum(dim=1)).min()) > 0.99
    assert float((drawn.distances - (drawn.points.norm(dim=1) - 1.0)).abs().max()) < 5e-3
    assert 0.0 < float((drawn.local - drawn.surface).norm(dim=1).mean()) < 0.2
    assert float(drawn.weights.max()) == 1.0
    both = sample_between([ball, shape(icosphere(4, 0.5))], np.random.default_rng(0), CPU)
    assert float((both.distances[:, 1] - (both.points.norm(dim=1) - 0.5)).abs().max()) < 5e-3


def test_inward_faces_and_sheets_have_the_right_side():
    inward = replace(shape(icosphere(3)), triangles=shape(icosphere(3)).triangles[:, ::-1])
    turned = Shape.of(inward.positions, np.ascontiguousarray(inward.triangles))
    (drawn,) = sample_shapes([turned], np.random.default_rng(0), CPU, labels=False)
    assert float((drawn.surface * drawn.normals).sum(dim=1).min()) > 0.95
    sheet = shape(grid(4))
    (drawn,) = sample_shapes([sheet], np.random.default_rng(0), CPU, labels=False)
    assert torch.allclose(drawn.surface[:, 2].abs(), torch.full((20_000,), sheet.sides.thickness / 2), atol=1e-6)
    assert bool((drawn.surface[:, 2] * drawn.normals[:, 2] > 0.0).all())


def test_the_two_own_losses_by_hand():
    values = torch.tensor([0.5, -1.0, 2.0])
    assert float(known_distance(values, torch.tensor([0.0, -1.0, 3.0]), torch.tensor([1.0, 1.0, 0.5]))) == (
        pytest.approx(1.0 / 3.0)
    )
    low, high = torch.tensor([0.7, -2.0, -1.0]), torch.tensor([0.9, 1.0, 1.5])
    assert float(envelope(values, low, high, 0.1)) == pytest.approx((0.1 + 0.0 + 0.4) / 3.0)


def test_the_network_of_a_morph_is_plain(ring):
    assert not any(isinstance(value, LipschitzMlp) for value in vars(ring[0].morph.field).values())
