"""One warm backend for the tests that leave it alive."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.harness import Backend, Follower, backend_and_client


@pytest.fixture(scope="session")
def hardy_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with backend_and_client(tmp_path_factory.mktemp("backend")) as (backend, _):
        yield backend


@pytest.fixture
def backend(hardy_backend: Backend) -> Iterator[tuple[Backend, Follower]]:
    """The backend, and a client of the test's own."""
    with Follower(hardy_backend.endpoint) as follower:
        follower.welcome()
        yield hardy_backend, follower
