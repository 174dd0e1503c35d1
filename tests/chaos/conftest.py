"""One warm backend for the tests that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.harness import Backend, Follower, backend_and_client


@pytest.fixture(scope="session")
def warm_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with backend_and_client(tmp_path_factory.mktemp("backend")) as (backend, _):
        yield backend


@pytest.fixture
def follower(warm_backend: Backend) -> Iterator[Follower]:
    with Follower(warm_backend.endpoint) as follower:
        follower.welcome()
        yield follower


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[tuple[Backend, Follower]]:
    """A warm backend of the test's own, and a client."""
    with backend_and_client(tmp_path) as both:
        yield both
