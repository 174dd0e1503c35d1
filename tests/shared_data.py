"""Where the shared test data lies, if it is here."""

from __future__ import annotations

import os
from pathlib import Path


def shared_data() -> Path | None:
    """The folder named by ``TWEENFIELD_TEST_DATA``, else the one beside the repository; None if there is none."""
    named = os.environ.get("TWEENFIELD_TEST_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder if folder.is_dir() else None
