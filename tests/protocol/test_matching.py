"""What version 1.2 added: landmarks, more ways to match, and the match as a job of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from protocol.messages import (
    Cancel,
    Finished,
    Gone,
    JobState,
    Match,
    Matched,
    MatchRequest,
    Message,
    MorphRequest,
    Stop,
    Submit,
)
from protocol.wire import Limits, WireError
from tests.protocol.following import assert_whole, has, poll_until, ready
from tests.protocol.same import same
from tests.protocol.samples import (
    landmarks,
    match_request,
    matched,
    request,
    request_with_landmarks,
    request_with_stops,
    square,
)
from tests.protocol.small_backend import SmallBackend
from tests.protocol.travelling import is_not_sent, is_refused, over


def submit(**changes: Any) -> Submit:
    return Submit("job-1", replace(request_with_landmarks(), **changes))


def match(**changes: Any) -> Match:
    return Match("job-1", replace(match_request(), **changes))


def end(**changes: Any) -> Matched:
    return replace(matched(), **changes)


MODEL = np.arange(6, dtype=np.uint8)
MANY = np.arange(102, dtype=np.int32).reshape(51, 2)
BROKEN = replace(square(), face_indices=np.array([0, 1, 2, 3, 1, 4, 9], np.int32))
REFUSED: dict[str, tuple[Callable[[], Message], str, str]] = {
    "correspondence": (
        lambda: submit(correspondence="guess"),
        "bad-setting",
        "'guess'.*auto, vertex-order, table, land",
    ),
    "three columns": (lambda: submit(landmarks=np.zeros((2, 3), "i4")), "bad-table", r"landmarks have shape \[2, 3\]"),
    "too many": (lambda: submit(landmarks=MANY), "bad-table", "there are 51 landmarks; at most 50"),
    "none to go by": (
        lambda: submit(correspondence="landmarks", landmarks=None),
        "bad-table",
        "no landmarks to go by: give some, or choose auto",
    ),
    "beside the vertex order": (
        lambda: submit(correspondence="vertex-order"),
        "bad-table",
        "do not go with vertex-order",
    ),
    "beside a table": (
        lambda: Submit("job-1", replace(request(), landmarks=landmarks())),
        "bad-table",
        "go with table",
    ),
    "a model beside another way": (
        lambda: submit(model=MODEL),
        "bad-setting",
        "does not go with spectral: leave it out, or choose implicit-dense",
    ),
    "a match by model and landmarks": (lambda: match(model=MODEL), "bad-setting", "does not go with nonrigid"),
    "a model of two columns": (
        lambda: match(way="implicit-dense", model=MODEL.reshape(-1, 2)),
        "bad-message",
        r"shape \[3, 2\]; it must be \[B\]",
    ),
    "a match by table": (lambda: match(way="table"), "bad-setting", "'table'; it must be one of auto, vertex-order, l"),
    "a match of too many": (lambda: match(landmarks=MANY), "bad-table", "51 landmarks"),
    "a match of none": (lambda: match(way="landmarks", landmarks=np.zeros((0, 2), "i4")), "bad-table", "to go by"),
    "a match of a broken mesh": (lambda: match(target=BROKEN), "bad-mesh", r"request\.target"),
    "a match without a name": (lambda: replace(match(), job=""), "bad-message", "a job id"),
    "too few points": (lambda: end(points=np.zeros((4, 3), "f4")), "bad-message", r"points \[V, 3\]"),
    "flat points": (lambda: end(points=np.zeros((5, 2), "f4")), "bad-message", r"points \[V, 3\]"),
    "points nowhere": (lambda: end(points=np.full((5, 3), np.nan, "f4")), "bad-message", "finite points"),
    "too sure": (lambda: end(confidence=np.full(5, 1.5, "f4")), "bad-message", "confidence in 0..1"),
    "not sure at all": (lambda: end(confidence=np.full(5, np.nan, "f4")), "bad-message", "confidence in 0..1"),
    "a vertex before the first": (lambda: end(vertices=np.full(5, -2, "i4")), "bad-message", "names vertex -2"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused(case: str) -> None:
    is_refused(*REFUSED[case])


def test_what_makes_sense_comes_back() -> None:
    none = np.zeros((0, 2), "i4")
    for way in ("auto", "landmarks", "spectral", "nonrigid", "implicit-dense"):
        assert same(over(submit(correspondence=way)), submit(correspondence=way))
        assert same(over(match(way=way)), match(way=way))
    for message in (submit(landmarks=none), submit(landmarks=MANY[:50]), match(way="vertex-order", landmarks=none)):
        assert same(over(message), message)
    for message in (submit(correspondence="implicit-dense", model=MODEL), match(way="implicit-dense", model=MODEL)):
        assert same(over(message), message)
    empty = end(vertices=np.zeros(0, "i4"), points=np.zeros((0, 3), "f4"), confidence=np.zeros(0, "f4"))
    for answer in (end(), empty):
        assert same(over(answer), answer)


def test_the_meshes_of_a_match_have_the_limits_of_any_mesh() -> None:
    for message in (match(), end()):
        with pytest.raises(WireError, match="5 vertices; at most 4") as refused:
            over(message, Limits(vertices=4))
        assert refused.value.code == "too-large"


def test_a_match_from_its_submission_to_its_end(closing) -> None:
    with SmallBackend() as backend:
        client = closing(backend.endpoint)
        job = client.submit(match_request())  # before the handshake is done
        messages = poll_until(client, has(Matched, job))
        assert same([m for m in messages if isinstance(m, Matched)], [replace(matched(), job=job)])
        assert client.jobs == ()
        sent = next(m for m in backend.seen if isinstance(m, Match))
        assert same(sent, Match(job, match_request()))
        client.resume(job)
        poll_until(client, has(Matched, job))


def test_a_match_is_cancelled_and_asked_for_like_a_morph(closing) -> None:
    with SmallBackend(hold=True) as backend:
        client = closing(backend.endpoint)
        ready(client)
        job = client.submit(match_request(), "my-match")
        poll_until(client, has(JobState, job))
        client.cancel(job)
        poll_until(client, lambda ms: any(isinstance(m, JobState) and m.state == "cancelled" for m in ms))
        assert client.jobs == ()
        assert any(isinstance(m, Cancel) for m in backend.seen)
        client.resume("never-known")
        poll_until(client, has(Gone, "never-known"))


def test_what_cannot_travel_is_refused_at_once(closing) -> None:
    with SmallBackend() as backend:
        client = closing(backend.endpoint)
        with pytest.raises(WireError, match=r"Match\.request\.source"):
            client.submit(replace(match_request(), source=None))
        assert client.jobs == ()


NEWER: dict[str, tuple[MorphRequest | MatchRequest, tuple[int, int], str]] = {
    "a match": (match_request(), (1, 1), "does not know matching without a morph"),
    "landmarks": (replace(request_with_landmarks(), correspondence="auto"), (1, 1), "does not know landmarks"),
    "a way": (replace(request_with_landmarks(), landmarks=None), (1, 1), "does not know the correspondence spectral"),
    "stops": (replace(request_with_stops(), stops=(Stop(square()),)), (1, 0), "does not know poses between"),
}


@pytest.mark.parametrize("case", NEWER)
@pytest.mark.parametrize("connected", [False, True])
def test_an_older_backend_is_never_asked_for_what_it_does_not_know(closing, case: str, connected: bool) -> None:
    wanted, version, words = NEWER[case]
    with SmallBackend(version=version) as backend:
        client = closing(backend.endpoint)
        if connected:
            ready(client)
        job = client.submit(wanted)
        is_not_sent(job, words, client, backend)


def test_the_version_that_has_it_is_asked(closing) -> None:
    """The other side of the table: each is sent to the first version that knows it."""
    with SmallBackend(version=(1, 1)) as backend:
        client = closing(backend.endpoint)
        job = client.submit(request_with_stops())
        assert_whole(poll_until(client, has(Finished)), job, 6)
    with SmallBackend(version=(1, 2)) as backend:
        client = closing(backend.endpoint)
        job = client.submit(request_with_landmarks())
        assert_whole(poll_until(client, has(Finished)), job, 6)
        assert same(backend.submissions()[0].request.landmarks, landmarks())
