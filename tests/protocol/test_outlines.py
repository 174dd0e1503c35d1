"""What version 1.4 added: outlines that a frame shall match, and the shape of an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protocol.client import Client
from protocol.messages import Finished, Message, Reconstruct, Refine, Timeline
from protocol.wire import WireError
from tests.protocol.following import assert_whole, has, poll_until, ready
from tests.protocol.same import same
from tests.protocol.samples import outline, reconstruct_request, refine_request
from tests.protocol.small_backend import SmallBackend
from tests.protocol.travelling import is_not_sent, is_refused, over


def drawn(**changes: Any) -> Refine:
    return Refine("job-1", "job-0", replace(refine_request(), **changes))


def seen(**changes: Any) -> Refine:
    """With something else in its second outline."""
    return drawn(outlines=(outline(), replace(outline(), **changes)))


def pictured(**changes: Any) -> Reconstruct:
    return Reconstruct("job-1", replace(reconstruct_request(), **changes))


def skewed(row: int, value: float) -> np.ndarray:
    matrix = outline().world_to_camera.copy()
    matrix[row, 1] = value
    return matrix


REFUSED: dict[str, tuple[Callable[[], Message], str, str]] = {
    "the first frame": (lambda: drawn(frame=0), "bad-setting", "frame is 0; it must be from 1 to 3"),
    "the last frame": (lambda: drawn(frame=4), "bad-setting", "frame is 4; it must be from 1 to 3"),
    "a frame before all": (lambda: drawn(frame=-1), "bad-setting", "frame is -1"),
    "only ends": (lambda: drawn(timeline=Timeline(2)), "bad-setting", "2 frames has only its ends"),
    "a timeline": (lambda: drawn(timeline=Timeline(5, "bouncy")), "bad-setting", "easing is 'bouncy'"),
    "no outline": (lambda: drawn(outlines=()), "bad-setting", "there are 0 outlines; it must be 1 to 32"),
    "too many outlines": (lambda: drawn(outlines=(outline(),) * 33), "bad-setting", "there are 33 outlines"),
    "no reach": (lambda: drawn(reach=0.0), "bad-setting", "reach is 0.0; it must be above 0 and at most 1"),
    "too much reach": (lambda: drawn(reach=1.5), "bad-setting", "reach is 1.5"),
    "an unknown reach": (lambda: drawn(reach=float("nan")), "bad-setting", "reach is nan"),
    "no time": (lambda: drawn(seconds=0.0), "bad-setting", "seconds is 0.0"),
    "a seed": (lambda: drawn(seed=-1), "bad-setting", "seed is -1"),
    "a base": (lambda: replace(drawn(), base="Job 1"), "bad-message", r"Refine\.base: a job id"),
    "no name": (lambda: replace(drawn(), job=""), "bad-message", "a job id"),
    "a mask in colours": (lambda: seen(mask=np.zeros((4, 4, 3), "u1")), "bad-message", r"it must be \[H, W\]"),
    "a mask of numbers": (lambda: seen(mask=np.zeros((4, 4), "f4")), "bad-message", r"outlines\[1\]\.mask is an array"),
    "a mask of nothing": (lambda: seen(mask=np.zeros((0, 4), "u1")), "bad-setting", r"mask has no pixels: 4 x 0"),
    "a wide mask": (lambda: seen(mask=np.zeros((1, 4097), "u1")), "too-large", "4097 x 1 pixels; at most 4096 x 4096"),
    "half a matrix": (lambda: seen(world_to_camera=np.eye(3)), "bad-message", r"needs world_to_camera \[4, 4\]"),
    "one focal length": (lambda: seen(focal=np.ones(1)), "bad-message", r"focal \[2\]"),
    "a centre in space": (lambda: seen(centre=np.ones(3)), "bad-message", r"centre \[2\]"),
    "an endless camera": (lambda: seen(world_to_camera=skewed(0, np.inf)), "bad-setting", "must be finite"),
    "a centre of none": (lambda: seen(centre=np.full(2, np.nan)), "bad-setting", r"outlines\[1\]: the numbers"),
    "a flat matrix": (lambda: seen(world_to_camera=np.diag([1.0, 1.0, 0.0, 1.0])), "bad-setting", "is flat"),
    "a matrix that projects": (lambda: seen(world_to_camera=skewed(3, 0.5)), "bad-setting", "last row of world_to_cam"),
    "no focal length": (lambda: seen(focal=np.array([5.0, 0.0])), "bad-setting", r"focal is \[5\.0, 0\.0\]; both"),
    "an image without alpha": (lambda: pictured(image=np.zeros((4, 4, 3), "u1")), "bad-message", r"\[H, W, 4\]"),
    "a flat image": (lambda: pictured(image=np.zeros((4, 4), "u1")), "bad-message", r"\[H, W, 4\]"),
    "an image of nothing": (lambda: pictured(image=np.zeros((4, 0, 4), "u1")), "bad-setting", "image has no pixels"),
    "a tall image": (lambda: pictured(image=np.zeros((4097, 1, 4), "u1")), "too-large", "1 x 4097 pixels"),
    "a square model": (lambda: pictured(model=np.zeros((2, 2), "u1")), "bad-message", r"it must be \[B\]"),
    "too few cells": (lambda: pictured(resolution=4), "bad-setting", "resolution is 4; it must be from 8 to 512"),
    "too many cells": (lambda: pictured(resolution=513), "bad-setting", "resolution is 513; it must be from 8 to 512"),
    "no time for the image": (lambda: pictured(seconds=-1.0), "bad-setting", "seconds is -1.0"),
    "no name of the image": (lambda: replace(pictured(), job="Job 1"), "bad-message", "a job id"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused(case: str) -> None:
    is_refused(*REFUSED[case])


@pytest.mark.parametrize(
    "message",
    [
        drawn(frame=1),
        drawn(frame=3, timeline=Timeline(5, reverse=True, constant_speed=True), reach=1.0, seconds=None),
        drawn(frame=1, timeline=Timeline(3), outlines=(outline(),) * 32),
        seen(mask=np.full((4096, 1), 255, np.uint8), centre=np.array([-1e5, 1e5])),
        pictured(seconds=None, refine=True),
        pictured(image=np.zeros((1, 4096, 4), np.uint8), model=np.zeros(0, np.uint8)),
    ],
)
def test_what_makes_sense_comes_back(message: Message) -> None:
    assert same(over(message), message)


ASKED: dict[str, tuple[Callable[[Client], str], type[Message], str]] = {
    "outlines": (lambda client: client.refine("job-0", refine_request()), Refine, "outlines that a frame shall match"),
    "an image": (lambda client: client.submit(reconstruct_request()), Reconstruct, "shapes from an image"),
}


@pytest.mark.parametrize("what", ASKED)
def test_from_the_submission_to_the_end(closing, what: str) -> None:
    ask, kind, _ = ASKED[what]
    with SmallBackend() as backend:
        client = closing(backend.endpoint)
        job = ask(client)  # before the handshake is done
        assert_whole(poll_until(client, has(Finished, job)), job, 6)
        sent = [m for m in backend.seen if isinstance(m, Refine | Reconstruct)]
        assert [type(m) for m in sent] == [kind]
        expected = {
            Refine: Refine(job, "job-0", refine_request()),
            Reconstruct: Reconstruct(job, reconstruct_request()),
        }
        assert same(sent[0], expected[kind])
        assert client.jobs == ()


@pytest.mark.parametrize("connected", [False, True])
@pytest.mark.parametrize("what", ASKED)
def test_an_older_backend_is_never_asked(closing, what: str, connected: bool) -> None:
    ask, _, words = ASKED[what]
    with SmallBackend(version=(1, 3)) as backend:
        client = closing(backend.endpoint)
        if connected:
            ready(client)
        job = ask(client)
        is_not_sent(job, f"does not know {words}: update the backend", client, backend)


def test_what_cannot_travel_is_refused_at_once(closing) -> None:
    with SmallBackend() as backend:
        client = closing(backend.endpoint)
        wrong: Any = replace(refine_request(), outlines=None)
        with pytest.raises(WireError, match=r"Refine\.request\.outlines"):
            client.refine("job-0", wrong)
        assert client.jobs == ()
