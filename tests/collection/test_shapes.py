"""The shapes that the project makes: closed surfaces, whose points know where they are on another shape."""

from __future__ import annotations

import numpy as np
import pytest

from backend.collection.kinds import KINDS, make
from backend.collection.solid import Solid
from backend.geometry.distance import closest_on_surface
from backend.geometry.edges import edges_of
from backend.geometry.triangles import diagonal, parts, signed_volume
from protocol.mesh import MeshError


@pytest.mark.parametrize("kind", KINDS)
def test_a_shape_is_one_closed_surface_turned_outwards(kind: str) -> None:
    for number in range(6):
        positions, triangles = make(kind, 3, number).mesh(64)
        edges = edges_of(triangles)
        assert edges.closed
        assert not edges.inconsistent.any()
        assert parts(len(positions), triangles)[0] == 1
        assert signed_volume(positions, triangles) > 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_canonical_coordinates_lead_back_and_to_the_other_surface(kind: str) -> None:
    """True partners lie on the other mesh, and the partners of partners are where we began."""
    a, b = make(kind, 0, 0), make(kind, 0, 3)
    (ours, _), (theirs, their_faces) = a.mesh(64), b.mesh(64)
    labels = a.labels(ours)
    canonical = a.canonical(ours, labels)
    for index, part in enumerate(a.parts):
        at = ours[labels == index]
        assert len(at)
        np.testing.assert_allclose(part.place(canonical[labels == index]), at, atol=1e-9)
    same, known, missing = a.partners(ours, a)
    np.testing.assert_allclose(same, ours, atol=1e-9)
    assert known.all()
    assert not missing.any()
    places, known, missing = a.partners(ours, b)
    assert known.mean() > 0.7
    away, _, _ = closest_on_surface(places[known], theirs, their_faces)
    assert np.quantile(away, 0.95) < 0.015 * diagonal(theirs, their_faces)


def names(kind: str, number: int) -> set[str]:
    return {part.name for part in make(kind, 0, number).parts}


def test_topologies_differ_and_the_parts_that_are_missing_are_known() -> None:
    assert {len([n for n in names("table", k) if "leg" in n]) for k in range(3)} == {3, 4, 5}
    assert names("chair", 1) - names("chair", 0) == {
        f"{s} arm {p}" for s in ("left", "right") for p in ("post", "rest")
    }
    assert names("mug", 1) - names("mug", 0) == {"handle"}
    mug, plain = make("mug", 0, 1), make("mug", 0, 0)
    positions, triangles = mug.mesh(64)
    _, _, missing = mug.partners(positions, plain)
    handle = [part.name for part in mug.parts].index("handle")
    assert 0.01 < missing.mean() < 0.4
    assert (missing == (mug.labels(positions) == handle)).all()
    assert len(positions) - 1.5 * len(triangles) + len(triangles) == 0  # Euler: a mug with a handle is a torus


def test_a_shape_is_known_by_its_text() -> None:
    for kind in KINDS:
        solid = make(kind, 5, 2)
        assert Solid.from_json(solid.to_json()) == solid
        assert make(kind, 5, 2) == solid
        assert make(kind, 6, 2) != solid
    for text in ("{}", "[1]", '{"kind": "chair", "parts": [{"form": "cube"}]}', "no"):
        with pytest.raises(MeshError, match="made shape"):
            Solid.from_json(text)
