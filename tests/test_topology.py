"""The choice between the source's own faces and a surface of its own in every frame."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from backend.geometry.io import read_mesh
from backend.geometry.repair import working_mesh
from backend.methods.method import Pair
from backend.methods.targets import landed
from backend.pipeline import prepare
from backend.topology import choose
from backend.training.run import Run
from protocol.mesh import MeshData
from protocol.messages import MorphRequest
from protocol.settings import SettingError
from tests.meshes import icosphere, torus, triangle_mesh
from tests.shared_data import shared_data

BOTH = ("keep", "remesh")
DATA = shared_data()


def pair_of(source: MeshData, target: MeshData, pairs: np.ndarray | None = None) -> Pair:
    """The pair, its source landed by the table or the vertex order."""
    way = {} if pairs is None else {"correspondence": "table", "pairs": np.asarray(pairs, np.int32)}
    return landed(prepare(MorphRequest(source, target, "velocity_field", "", **way), Run()), Run())


def nearest_pairs(source: MeshData, target: MeshData) -> np.ndarray:
    """Every target vertex with the source vertex nearest to it."""
    gap = np.linalg.norm(source.positions()[:, None] - target.positions()[None], axis=2)
    return np.stack([gap.argmin(axis=0), np.arange(target.n_vertices)], axis=1)


def side_by_side(*meshes: MeshData) -> MeshData:
    shift, first = 0.0, 0
    positions, triangles = [], []
    for mesh in meshes:
        positions.append(mesh.positions() + np.array([shift, 0.0, 0.0]))
        triangles.append(mesh.triangles() + first)
        shift, first = shift + 4.0, first + mesh.n_vertices
    return triangle_mesh(np.concatenate(positions), np.concatenate(triangles))


def without_cap(mesh: MeshData, above: float) -> MeshData:
    """The mesh without its faces above a height; lone vertices go with them."""
    triangles = mesh.triangles()
    triangles = triangles[mesh.positions()[triangles, 2].max(axis=1) < above]
    used, compact = np.unique(triangles, return_inverse=True)
    return triangle_mesh(mesh.positions()[used], compact.reshape(-1, 3))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("fox_run", "keep"),
        ("elephant_turn", "keep"),
        ("elephant_pose", "keep"),
        ("michael_remeshed", "keep"),
        ("elephant_decimated", "keep"),
        ("elephant_cut", "keep"),
        ("bob_spot", "remesh"),
        ("bunny_armadillo", "remesh"),
    ],
)
def test_shared_pairs(name: str, wanted: str) -> None:
    if DATA is None:
        pytest.skip("the shared test data is not here")
    source, target = (read_mesh(DATA / name / f"{role}.obj") for role in ("source", "target"))
    table = DATA / name / "corr.npy"
    pairs = np.load(table) if table.exists() else np.zeros((0, 2), int)
    if not len(pairs):  # as a method without need of a match sees it
        found = Pair(source, target, working_mesh(source, "source"), working_mesh(target, "target"), None)
    else:
        found = pair_of(source, target, None if np.array_equal(pairs[:, 0], pairs[:, 1]) else pairs)
    started = time.process_time()
    choice = choose("auto", found, BOTH)
    assert time.process_time() - started < 0.5
    assert choice.topology == wanted, choice.reason


def test_what_is_asked_for_is_made_or_refused() -> None:
    pair = pair_of(icosphere(2), icosphere(2))
    assert [choose(asked, pair, BOTH).topology for asked in BOTH] == list(BOTH)
    with pytest.raises(SettingError, match="cannot make topology 'remesh'"):
        choose("remesh", pair, ("keep",))


def test_one_possibility_leaves_no_choice() -> None:
    torn = pair_of(torus(), icosphere(3), nearest_pairs(torus(), icosphere(3)))
    assert choose("auto", torn, ("keep",)).topology == "keep"
    assert choose("auto", pair_of(icosphere(2), icosphere(2)), ("remesh",)).topology == "remesh"


def test_without_a_match_there_is_a_surface_in_every_frame() -> None:
    pair = replace(pair_of(icosphere(2), icosphere(2)), correspondence=None, landing=None)
    choice = choose("auto", pair, BOTH)
    assert choice.topology == "remesh"
    assert "not known" in choice.reason


def test_holes_are_counted() -> None:
    ring, ball = torus(), icosphere(3)
    there = choose("auto", pair_of(ball, ring, nearest_pairs(ball, ring)), BOTH)
    assert there.topology == "remesh"
    assert there.reason == "the target has a hole through it (genus 1) and the source has none"
    back = choose("auto", pair_of(ring, ball, nearest_pairs(ring, ball)), BOTH)
    assert back.reason == "the source has a hole through it (genus 1) and the target has none"


def test_pieces_are_counted_but_not_crumbs() -> None:
    one, two = icosphere(3), side_by_side(icosphere(3), icosphere(3))
    choice = choose("auto", pair_of(one, two, nearest_pairs(one, two)), BOTH)
    assert choice.topology == "remesh"
    assert choice.reason == "the source is one piece and the target in 2 pieces"
    crumbs = side_by_side(icosphere(3), icosphere(1, 0.03))
    choice = choose("auto", pair_of(one, crumbs, nearest_pairs(one, icosphere(3))), BOTH)
    assert choice.topology == "keep", choice.reason


def test_a_hole_in_a_scan_is_no_change_of_shape() -> None:
    whole = icosphere(3)
    scan = without_cap(whole, 0.5)
    choice = choose("auto", pair_of(whole, scan, nearest_pairs(whole, scan)), BOTH)
    assert choice.topology == "keep"
    assert "the target is open" in choice.reason


def test_a_source_that_lacks_a_part_of_a_closed_target_is_made_anew() -> None:
    whole = icosphere(3)
    scan = without_cap(whole, 0.5)
    pairs = nearest_pairs(whole, scan)[:, ::-1]
    choice = choose("auto", pair_of(scan, whole, pairs), BOTH)
    assert choice.topology == "remesh"
    assert "the source is open there" in choice.reason


def test_a_source_with_more_than_its_closed_target_is_made_anew() -> None:
    source = pair_of(icosphere(3), torus(), nearest_pairs(icosphere(3), torus()))
    assert source.landing is not None
    # The same surface twice, of which a third found no place.
    half = source.source_surface.positions[:, 2] > 1 / 3
    other = replace(source.source_surface, triangles=source.source_surface.triangles[::-1])
    landing = replace(source.landing, positions=source.source_surface.positions, on_surface=~half)
    pair = replace(source, target_surface=other, landing=landing)
    choice = choose("auto", pair, BOTH)
    assert choice.topology == "remesh"
    assert "no place on the target" in choice.reason


def test_the_same_faces_are_kept_at_once() -> None:
    pair = pair_of(torus(), torus(major=2.0))
    assert choose("auto", pair, BOTH).reason == "both meshes have the same faces"
