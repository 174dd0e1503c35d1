"""Clients that are closed at the end of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from protocol.client import Client
from protocol.endpoint import Endpoint
from tests.protocol.following import QUICK

Closing = Callable[..., Client]


@pytest.fixture
def closing() -> Iterator[Closing]:
    """Makes clients with short times, and closes them."""
    clients: list[Client] = []

    def make(endpoint: Endpoint, **options: Any) -> Client:
        clients.append(Client(endpoint, "test", **{"times": QUICK, **options}))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
