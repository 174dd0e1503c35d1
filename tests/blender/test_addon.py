"""The extension in Blender, against a real backend process: every ``check_`` of ``scenarios/`` is a test.

``python -m pytest tests/blender -k speed -rP`` prints what was measured.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.blender.environment import bad_files, blender_environment

SCENARIOS = Path(__file__).parent / "scenarios"


def checks() -> list[tuple[str, str]]:
    """Every script and check, read without importing them: they need bpy."""
    found = []
    for path in sorted(SCENARIOS.glob("*.py")):
        names = [node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if hasattr(node, "name")]
        found += [(path.stem, name) for name in names if name.startswith("check_")]
    return found


@pytest.mark.timeout(300)  # the first check of a script waits for all of them
@pytest.mark.parametrize(("name", "check"), checks())
def test_in_blender(name: str, check: str, scenario: Callable[[str], dict[str, dict[str, Any]]]) -> None:
    if name == "bad_files" and bad_files() is None:
        pytest.skip("the shared test data is not here")
    outcomes = scenario(name)
    assert check in outcomes, f"Blender ended before it:\n{outcomes['']['error']}"
    for fact, value in outcomes[check]["facts"].items():
        sys.stdout.write(f"{fact}: {value}\n")
    assert outcomes[check]["error"] == ""


@pytest.mark.parametrize("name", sorted({name for name, _ in checks()} - {"bad_files"}))
def test_blender_ends_well(name: str, scenario: Callable[[str], dict[str, dict[str, Any]]]) -> None:
    assert scenario(name)[""]["error"] == ""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize("way", ["kill", "quit"])
def test_no_process_outlives_blender(way: str, addon_zip: Path, blender_python: Path, tmp_path: Path) -> None:
    """However Blender ends in the middle of a job, its backend and the backend's workers end too."""
    words = [str(blender_python), str(SCENARIOS / "ending.py"), str(addon_zip)]
    environment = blender_environment(tmp_path, None)
    with subprocess.Popen(
        words, env=environment, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as blender:
        assert blender.stdin is not None
        assert blender.stdout is not None
        pid = next((line.split()[1] for line in blender.stdout if line.startswith("pid ")), None)
        assert pid is not None, "Blender ended before its job ran"
        server = psutil.Process(int(pid))
        processes = [server, *server.children(recursive=True)]
        assert len(processes) >= 2
        blender.stdin.write(f"{way}\n")
        blender.stdin.close()
        blender.stdout.read()
    _, left = psutil.wait_procs(processes, timeout=20)
    for process in left:
        process.kill()
    assert left == []
