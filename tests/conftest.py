"""Fixtures that several folders of tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

import build_addon


@pytest.fixture(scope="session")
def addon_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension for this platform, built once."""
    return build_addon.build(tmp_path_factory.mktemp("addon"), build_addon.this_platform())
