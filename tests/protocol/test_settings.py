"""Settings as data: values, presets, and the etag that both sides compute."""

from __future__ import annotations

from dataclasses import replace

import pytest

from protocol.settings import SettingError, SettingSpec
from tests.protocol.samples import method


def test_defaults_then_preset_then_changes() -> None:
    assert method().resolve("draft", {}) == {"steps": 10, "rate": 0.01, "order": "rk4", "exact": True}
    assert method().resolve("draft", {"steps": 7.0, "rate": 1})["steps"] == 7
    assert type(method().resolve("draft", {"rate": 1})["rate"]) is float


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"steps": 0}, "steps is 0; it must be a whole number from 1 to 1000"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"steps": True}, "steps is True"),
        ({"rate": -1.0}, "rate is -1.0; it must be a number, at least 0"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"order": "rk5"}, "one of euler, rk4"),
        ({"exact": 1}, "true or false"),
        ({"stepps": 1}, "has no setting 'stepps'; it has steps, rate, order, exact"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(changed: dict[str, object], words: str) -> None:
    with pytest.raises(SettingError) as caught:
        method().resolve("draft", changed)
    assert words in str(caught.value)


def test_hyphen_and_underscore_are_one() -> None:
    spec = SettingSpec("end_mode", "choice", "on-surface", "doc", choices=("on-surface", "none"))
    assert spec.check("on_surface") == spec.check("on-surface") == "on-surface"
    made = replace(method(), settings=(spec,), presets={"a": {}})
    assert made.resolve("a", {"end-mode": "none"}) == {"end_mode": "none"}
    with pytest.raises(SettingError, match="no preset 'b'; it has a"):
        made.resolve("b", {})


def test_the_etag_changes_with_anything_that_matters_and_only_then() -> None:
    spec = method()
    assert spec.etag == method().etag
    first, *rest = spec.settings
    changed = [
        replace(spec, presets={**spec.presets, "draft": {"steps": 11}}),
        replace(spec, settings=tuple(rest)),
        *(
            replace(spec, settings=(replace(first, **change), *rest))
            for change in ({"default": 99}, {"minimum": 2}, {"maximum": None}, {"name": "count"}, {"unit": "s"})
        ),
    ]
    etags = {other.etag for other in changed}
    assert len(etags) == len(changed)
    assert spec.etag not in etags
    assert replace(spec, settings=(replace(first, minimum=1, maximum=1000), *rest)).etag == spec.etag
