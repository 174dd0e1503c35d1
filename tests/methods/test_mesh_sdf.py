"""``mesh_sdf`` as a morph: exact ends, a way without pieces, stops, and the published configuration."""

from __future__ import annotations

import pytest

from backend.fields.deep_sdf import PAIR
from backend.methods.mesh_sdf import MeshSdf, MeshSdfSettings, _decoder_settings
from backend.methods.registry import get, spec
from protocol.settings import SettingError
from tests.methods import rings

SMALL = {"steps": 350, "width": 64, "depth": 3, "points": 256, "between": 256, "degree": 2}


@pytest.fixture(scope="module")
def ring() -> rings.Ring:
    return rings.trained_ring("mesh_sdf", SMALL)


def test_the_ends_are_exact(ring: rings.Ring) -> None:
    rings.ends_are_exact(ring)
    rings.error_of_the_network_is_told(ring)


def test_every_frame_is_one_closed_piece_and_the_hole_opens(ring: rings.Ring) -> None:
    rings.hole_opens(ring, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])


def test_a_morph_comes_back_from_its_bytes(ring: rings.Ring) -> None:
    facts = rings.comes_back_from_bytes(ring)
    assert facts["values"]["field"]["network"]["kind"] == "deep_sdf"


def test_stops_are_shapes_on_the_way() -> None:
    morph = rings.passes_its_stop(MeshSdf(), MeshSdfSettings(**(SMALL | {"steps": 60})))
    assert morph.state()[0]["codes"].shape == (3, 2)


def test_the_paper_preset_is_the_published_configuration() -> None:
    made = _decoder_settings(MeshSdfSettings(**spec(get("mesh-sdf")).resolve("paper", {})), 2)
    assert made.form == PAIR
    assert (made.points, made.clamp, made.published_clamp, made.code_weight, made.ramp) == (
        32_192,
        0.1,
        True,
        1e-4,
        100,
    )
    assert (made.rate, made.code_rate * made.rate, made.halving, made.between) == (5e-4, 1e-3, 500, 0)


def test_a_network_too_narrow_for_its_input_is_refused() -> None:
    with pytest.raises(SettingError, match="64 wide, and 72 numbers"):
        _decoder_settings(MeshSdfSettings(width=64, code=12, degree=10), 2)


def test_training_is_cancelled_and_ends_in_time_and_shows_itself() -> None:
    rings.is_cancelled_ends_in_time_and_shows_itself(MeshSdf(), MeshSdfSettings(**SMALL), seconds=6.0)
