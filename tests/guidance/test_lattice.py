from __future__ import annotations

import numpy as np
import pytest

from backend.guidance.guided_field import sent
from backend.guidance.lattice import Lattice
from backend.guidance.layer import Layer, window
from backend.guidance.warp import Warp
from backend.guidance.warp_fit import steepness
from protocol.settings import SettingError


def lattice(count: int = 3, size: float = 0.1, seed: int = 0) -> Lattice:
    """Random functions on a box of 1 x 2 x 1.5."""
    empty = Lattice.over(np.array([-0.5, -1.0, 0.0]), np.array([0.5, 1.0, 1.5]), 0.2, count)
    rng = np.random.default_rng(seed)
    return empty.with_coefficients(size * rng.normal(size=empty.coefficients.shape))


def points(n: int = 500, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform([-0.7, -1.2, -0.2], [0.7, 1.2, 1.7], (n, 3))


def test_weights_and_axes_give_the_functions() -> None:
    given, where = lattice(), points()
    inside = ((where > [-0.5, -1.0, 0.0]) & (where < [0.5, 1.0, 1.5])).all(axis=1)
    found = given.weights(where[inside]) @ given.coefficients.reshape(3, -1).T.astype(float)
    np.testing.assert_allclose(found, given.at(where[inside]), atol=1e-12)
    axes = [np.linspace(-0.4, 0.4, 5), np.linspace(-0.9, 0.9, 7), np.linspace(0.1, 1.4, 6)]
    x, y, z = (given.along(k, places) for k, places in enumerate(axes))
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    product = np.einsum("ai,bj,ck,fijk->abcf", x, y, z, given.coefficients.astype(float))
    np.testing.assert_allclose(product.reshape(-1, 3), given.at(grid), atol=1e-12)


def test_a_smooth_function_is_met_between_the_nodes() -> None:
    empty = Lattice.over(np.zeros(3), np.ones(3), 0.1, 1)

    def bump(where: np.ndarray) -> np.ndarray:
        return np.exp(-30.0 * ((where - 0.5) ** 2).sum(axis=1))

    given = empty.through(bump(empty.nodes()).reshape(empty.coefficients.shape))
    where = np.random.default_rng(0).random((400, 3))
    assert np.abs(given.at(where)[:, 0] - bump(where)).max() < 0.005


def test_nothing_is_beyond_the_box_and_it_fades_smoothly() -> None:
    given = lattice()
    low = given.low + 1e-9
    high = given.low + given.cell * (np.array(given.coefficients.shape[1:]) - 1) - 1e-9
    assert np.abs(given.at(np.array([low - 1.0, high + 1.0, low, high]))).max() < 1e-40
    across = np.linspace(given.low[0] - 0.1, given.low[0] + 0.6, 400)
    values = given.at(np.stack([across, np.zeros(400), np.full(400, 0.7)], axis=1))
    assert np.abs(np.diff(values, axis=0)).max() < 0.02
    assert np.abs(np.diff(values, 2, axis=0)).max() < 0.001


def test_slopes_are_those_of_the_functions_and_bound_them_everywhere() -> None:
    given, step = lattice(), 1e-5
    nodes = given.nodes()
    kept = ((nodes > given.low + 0.5) & (nodes < -given.low[0] + 2.0)).all(axis=1)
    slopes = given.slopes()
    for offset, found in ((0.0, slopes[: len(nodes)]), (-given.cell / 2, slopes[len(nodes) :])):
        for axis in range(3):
            ahead, behind = (given.at(nodes[kept] + offset + s * step * np.eye(3)[axis]) for s in (1.0, -1.0))
            np.testing.assert_allclose(found[kept][..., axis], (ahead - behind) / (2 * step), atol=1e-6)
    where = points(4000)
    jacobians = np.stack(
        [(given.at(where + step * e) - given.at(where - step * e)) / (2 * step) for e in np.eye(3)], axis=2
    )
    assert np.linalg.norm(jacobians[:, 0], axis=1).max() <= given.steepest
    longest = np.linalg.norm(np.eye(3) + jacobians, 2, axis=(1, 2)).max()
    assert 0.5 * given.stretch < longest <= given.stretch


def test_a_warp_is_undone() -> None:
    moves = tuple(lattice(size=0.012, seed=k) for k in range(3))
    assert max(steepness(move.coefficients.astype(float), move.cell) for move in moves) < 0.9
    warp, where = Warp(moves), points()
    moved = warp.forth(where)
    assert np.abs(moved - where).max() > 0.01
    np.testing.assert_allclose(warp.back(moved), where, atol=2e-4)
    there = sent(moves[0], where, 0.7)
    np.testing.assert_allclose(there + 0.7 * moves[0].at(there), where, atol=2e-4)


def test_a_layer_is_whole_at_its_time_and_gone_at_both_ends() -> None:
    layer = Layer(0.6, 0.2, 0.7)
    assert [layer.weight(t) for t in (0.0, 0.2, 0.6, 0.7, 1.0)] == [0.0, 0.0, 1.0, 0.0, 0.0]
    times = np.linspace(0.0, 1.0, 2001)
    weights = np.array([layer.weight(t) for t in times])
    slopes = np.diff(weights) / np.diff(times)
    assert np.abs(np.diff(slopes)).max() < 0.35  # of slopes up to 15: no corner
    assert (np.diff(weights[times <= 0.6]) >= 0.0).all()
    assert (np.diff(weights[times >= 0.6]) <= 0.0).all()


@pytest.mark.parametrize(
    ("time", "before", "reach", "wanted"),
    [
        (0.5, [], 1.0, (0.0, 1.0)),
        (0.5, [], 0.5, (0.25, 0.75)),
        (0.5, [0.2, 0.9], 1.0, (0.2, 0.9)),
        (0.5, [0.5], 1.0, (0.0, 1.0)),
        (0.5, [0.5, 0.6], 1.0, (0.0, 0.6)),
    ],
)
def test_a_layer_reaches_to_what_stays(
    time: float, before: list[float], reach: float, wanted: tuple[float, float]
) -> None:
    np.testing.assert_allclose(window(time, before, reach), wanted)


def test_a_layer_comes_back_from_its_state() -> None:
    layer = Layer(
        0.5, 0.0, 1.0, tuple(lattice(seed=k) for k in range(11)), lattice(), lattice(1), np.arange(4.0), np.zeros(3)
    )
    again = Layer.restored(*layer.state())
    assert (again.time, again.start, again.end, again.high) == (0.5, 0.0, 1.0, None)
    where = points(50)
    for one, two in zip((*layer.forth, layer.back, layer.added), (*again.forth, again.back, again.added), strict=True):
        assert one.at(where).tobytes() == two.at(where).tobytes()
    np.testing.assert_array_equal(again.code, np.arange(4.0))
    arrays, values = layer.state()
    with pytest.raises(SettingError, match="lattice 'added'"):
        Layer.restored(arrays | {"added": arrays["back"]}, values)
    with pytest.raises(SettingError, match=r"time 0\.5 is there"):
        Layer.restored(arrays, values | {"start": 0.5})
