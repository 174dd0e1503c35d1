"""What becomes of a message on its way: it arrives, or is refused where it arrives, or is never sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from protocol.client import Client
from protocol.messages import Error, Finished, Message
from protocol.wire import Limits, WireError, decode, encode
from tests.protocol.following import assert_whole, has, poll_until
from tests.protocol.samples import request
from tests.protocol.small_backend import SmallBackend


def over(message: Message, limits: Limits | None = None) -> Message:
    """As it arrives."""
    return decode([bytes(part) for part in encode(message)], *(() if limits is None else (limits,)))


def is_refused(make: Callable[[], Message], code: str, words: str) -> None:
    """A message that makes no sense."""
    with pytest.raises(WireError, match=words) as refused:
        over(make())
    assert refused.value.code == code


def is_not_sent(job: str, words: str, client: Client, backend: SmallBackend) -> None:
    """A job that an older backend does not know of. The client says so, and others are done as ever."""
    messages = poll_until(client, has(Error, job))
    error = next(m for m in messages if isinstance(m, Error))
    assert (error.code, error.job) == ("too-old", job)
    assert words in error.message
    assert "update the backend" in error.message
    assert client.jobs == ()
    other = client.submit(request())
    assert_whole(poll_until(client, has(Finished)), other, 6)
    assert not [m for m in backend.seen if getattr(m, "job", "") == job]
