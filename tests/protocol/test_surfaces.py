"""What version 1.3 added: the surface of points, lines or a mesh as a job of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protocol.messages import Finished, Message, Surface, Welcome
from protocol.shape import ShapeData
from protocol.wire import Limits, WireError
from tests.protocol.following import assert_whole, has, poll_until, ready
from tests.protocol.same import same
from tests.protocol.samples import cloud, faced, lines, surface_methods, surface_request
from tests.protocol.small_backend import SmallBackend
from tests.protocol.travelling import is_not_sent, is_refused, over


def asked(**changes: Any) -> Surface:
    return Surface("job-1", replace(surface_request(), **changes))


def of(shape: ShapeData, **changes: Any) -> Surface:
    return asked(shape=replace(shape, **changes))


REFUSED: dict[str, tuple[Callable[[], Message], str, str]] = {
    "a mode": (lambda: asked(mode="both"), "bad-setting", "'both'; it must be one of auto, signed, unsigned"),
    "no level": (lambda: asked(levels=()), "bad-setting", "there are 0 levels; it must be 1 to 64"),
    "too many levels": (lambda: asked(levels=(0.5,) * 65), "bad-setting", "there are 65 levels"),
    "an endless level": (lambda: asked(levels=(0.0, float("inf"))), "bad-setting", "a level is inf"),
    "no number": (lambda: asked(levels=(float("nan"),)), "bad-setting", "a level is nan"),
    "the inside of nothing": (lambda: asked(mode="unsigned"), "bad-setting", "-0.5, but unsigned fields have no ins"),
    "a text for a level": (lambda: asked(levels=("0",)), "bad-message", r"levels\[0\] is str"),
    "cells": (lambda: asked(resolution=4), "bad-setting", "resolution is 4; it must be from 8 to 1024"),
    "no time": (lambda: asked(seconds=0.0), "bad-setting", "seconds is 0.0"),
    "a seed": (lambda: asked(seed=-1), "bad-setting", "seed is -1"),
    "flat points": (lambda: of(cloud(), points=np.zeros((5, 2), "f4")), "bad-mesh", r"points have shape \[5, 2\]"),
    "too few normals": (lambda: of(cloud(), normals=np.ones((4, 3), "f4")), "bad-mesh", r"normals have shape \[4, 3\]"),
    "a far origin": (lambda: of(cloud(), origin=np.array([0, np.inf, 0])), "bad-mesh", "origin must be three finite"),
    "no scale": (lambda: of(cloud(), scale=0.0), "bad-mesh", "the scale is 0.0"),
    "half a face": (lambda: of(faced(), face_indices=None), "bad-mesh", "both offsets and indices"),
    "a face of none": (lambda: of(faced(), face_indices=np.array([0, 1, 2, 3, 1, 4, 9], "i4")), "bad-mesh", "vertex 9"),
    "faces and lines": (lambda: of(faced(), segments=lines().segments), "bad-mesh", "there are faces and segments"),
    "a line of three": (lambda: of(lines(), segments=np.zeros((1, 3), "i4")), "bad-mesh", r"shape \[1, 3\]"),
    "a line to nowhere": (
        lambda: of(lines(), segments=np.array([[0, 1], [1, 5]], "i4")),
        "bad-mesh",
        r"segment 1 joins points \[1, 5\]; the shape has points 0 to 4",
    ),
    "a line from before": (lambda: of(lines(), segments=np.array([[-1, 1]], "i4")), "bad-mesh", r"\[-1, 1\]"),
    "no name": (lambda: replace(asked(), job=""), "bad-message", "a job id"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused(case: str) -> None:
    is_refused(*REFUSED[case])


def test_what_makes_sense_comes_back() -> None:
    for shape, kind in ((cloud(), "cloud"), (faced(), "mesh"), (lines(), "lines")):
        for changes in ({}, {"levels": (0.5,), "mode": "unsigned"}, {"levels": (-1.0,) * 64}):
            message = asked(shape=shape, **changes)
            back = over(message)
            assert same(back, message)
            assert back.request.shape.kind == kind


def test_a_shape_keeps_its_places_however_far_away() -> None:
    places = np.array([[1e7, 0.25, -3.0], [1e7 + 0.001, 0.5, -3.0]])
    back = over(asked(shape=ShapeData.from_positions(places))).request.shape
    np.testing.assert_allclose(back.positions(), places, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("shape", "limits", "words"),
    [
        (cloud(), Limits(vertices=4), "5 vertices; at most 4"),
        (faced(), Limits(faces=1), "2 faces; at most 1"),
        (lines(), Limits(faces=2), "3 segments; at most 2"),
    ],
)
def test_a_shape_has_the_limits_of_a_mesh(shape: ShapeData, limits: Limits, words: str) -> None:
    with pytest.raises(WireError, match=words) as refused:
        over(asked(shape=shape), limits)
    assert refused.value.code == "too-large"


def test_a_surface_from_its_submission_to_its_end(closing) -> None:
    with SmallBackend() as backend:
        client = closing(backend.endpoint)
        job = client.submit(surface_request())  # before the handshake is done
        messages = poll_until(client, has(Finished, job))
        assert_whole(messages, job, 6)
        welcome = next(m for m in messages if isinstance(m, Welcome))
        assert welcome.surface_methods == surface_methods()
        sent = next(m for m in backend.seen if isinstance(m, Surface))
        assert same(sent, Surface(job, surface_request()))
        assert client.jobs == ()


@pytest.mark.parametrize("connected", [False, True])
def test_an_older_backend_is_never_asked_for_a_surface(closing, connected: bool) -> None:
    with SmallBackend(version=(1, 2)) as backend:
        client = closing(backend.endpoint)
        if connected:
            ready(client)
        job = client.submit(surface_request())
        words = "does not know surfaces of points, curves and meshes: update the backend"
        is_not_sent(job, words, client, backend)
        assert client.welcome is not None
        assert client.welcome.surface_methods is None


def test_what_cannot_travel_is_refused_at_once(closing) -> None:
    with SmallBackend() as backend:
        client = closing(backend.endpoint)
        wrong: Any = replace(surface_request(), shape=None)
        with pytest.raises(WireError, match=r"Surface\.request\.shape"):
            client.submit(wrong)
        assert client.jobs == ()
