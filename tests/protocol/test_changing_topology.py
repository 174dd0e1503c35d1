"""What version 1.1 added to the messages: what is let in, what is refused, and what version 1.0 makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest

from protocol.messages import Frame, Message, Preview, Stop, Submit, Timeline, Welcome
from protocol.settings import MethodSpec, SettingError
from protocol.wire import Limits, WireError, decode, encode
from tests.protocol.same import same
from tests.protocol.samples import messages, method, request_with_stops, square
from tests.protocol.travelling import is_refused, over

ADDED = {
    "MorphRequest": ("topology", "stops"),
    "Timeline": ("resolution", "largest_part"),
    "Frame": ("attributes",),
    "Preview": ("meshes",),
    "MethodSpec": ("topologies",),
}


def submit(**changes: Any) -> Submit:
    return Submit("job-1", replace(request_with_stops(), **changes))


def frame(**changes: Any) -> Frame:
    corners = square()
    faces = {"face_offsets": corners.face_offsets, "face_indices": corners.face_indices}
    values: dict[str, Any] = {**faces, "attributes": corners.attributes, **changes}
    return Frame("job-1", 0, 2, 0.0, corners.vertices, np.zeros(3), 1.0, **values)


def preview(points: int, meshes: int) -> Preview:
    return Preview("job-1", 1, np.array([0.0, 1.0]), np.zeros((2, points, 3), "f4"), (square(),) * meshes)


BROKEN = replace(square(), face_indices=np.array([0, 1, 2, 3, 1, 4, 9], np.int32))
REFUSED: dict[str, tuple[Callable[[], Message], str, str]] = {
    "topology": (lambda: submit(topology="melt"), "bad-setting", "auto, keep, remesh"),
    "coarse": (lambda: submit(timeline=Timeline(resolution=7)), "bad-setting", "resolution is 7"),
    "fine": (lambda: submit(timeline=Timeline(resolution=1025)), "bad-setting", "resolution is 1025"),
    "pairs": (lambda: submit(stops=(Stop(square(), np.zeros((2, 3), "i4")),)), "bad-table", r"stops\[0\]: pairs"),
    "weights": (
        lambda: submit(stops=(Stop(square(), np.zeros((2, 2), "i4"), np.ones(3, "f4")),)),
        "bad-table",
        r"stops\[0\]: weights",
    ),
    "lone weights": (lambda: submit(stops=(Stop(square(), None, np.ones(3, "f4")),)), "bad-table", "weights"),
    "a stop's faces": (lambda: submit(stops=(Stop(square()), Stop(BROKEN))), "bad-mesh", r"stops\[1\].mesh"),
    "attributes without faces": (lambda: frame(face_offsets=None, face_indices=None), "bad-message", "no faces"),
    "attributes of nothing": (lambda: frame(attributes={"uv": np.zeros((6, 2), "f4")}), "bad-mesh", "'uv'"),
    "meshes beside vertices": (lambda: preview(5, 2), "bad-message", "a mesh for each"),
    "too few meshes": (lambda: preview(0, 1), "bad-message", "a mesh for each"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused(case: str) -> None:
    is_refused(*REFUSED[case])


def test_what_makes_sense_comes_back() -> None:
    bounds = [submit(timeline=Timeline(resolution=cells)) for cells in (8, 1024)]
    for message in (*bounds, frame(), frame(attributes={}), preview(0, 2), preview(5, 0), preview(0, 0)):
        assert same(over(message), message)


def test_the_meshes_of_stops_and_previews_have_the_limits_of_any_mesh() -> None:
    few = Limits(vertices=4)
    for message, where in ((submit(source=square(), stops=(Stop(square()),)), "source"), (preview(0, 2), "meshes")):
        with pytest.raises(WireError, match=where) as refused:
            over(message, few)
        assert refused.value.code == "too-large"


def without_additions(value: Any, kind: str) -> None:
    """Takes out of a header's body what version 1.0 does not know."""
    for name in ADDED.get(kind, ()):
        value.pop(name, None)
    if kind == "MorphRequest":
        without_additions(value["timeline"], "Timeline")


def test_a_request_of_version_1_0_has_its_defaults() -> None:
    header, *arrays = (bytes(part) for part in encode(submit(stops=())))
    plain = msgpack.unpackb(header)
    without_additions(plain["body"]["request"], "MorphRequest")
    old = decode([msgpack.packb(plain), *arrays])
    assert isinstance(old, Submit)
    assert (old.request.topology, old.request.stops, old.request.timeline.resolution) == ("auto", (), 128)


def test_the_settings_of_a_method_are_the_same_for_both_versions() -> None:
    """A client of 1.0 makes the etag without ``topologies``; the backend must come to the same."""
    both = replace(method(), topologies=("keep", "remesh"))
    assert both.etag == method().etag
    told = next(m for m in reversed(messages()) if isinstance(m, Welcome))
    back = over(told)
    assert isinstance(back, Welcome)
    assert back.methods[0].topologies == ("keep", "remesh")


def test_a_method_says_what_it_can_make() -> None:
    spec: MethodSpec = method()
    for asked in ("keep", "auto"):
        spec.check_topology(asked)
    with pytest.raises(SettingError, match="does not make topology 'remesh'; ask for keep or auto"):
        spec.check_topology("remesh")
    with pytest.raises(SettingError, match="ask for remesh or auto"):
        replace(spec, topologies=("remesh",)).check_topology("keep")
    able = replace(spec, name="field", topologies=("keep", "remesh"))
    with pytest.raises(SettingError, match=r"or choose method field$"):
        spec.check_topology("remesh", (spec, able))
