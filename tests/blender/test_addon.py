"""The extension in Blender, against a real backend process: every ``check_`` of ``scenarios/`` is a test.

``python -m pytest tests/blender -k speed -rP`` prints what was measured.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
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


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", ["keyed_objects", "one_object"])
def test_renders_without_the_extension(
    way: str, scenario: Callable[[str], dict[str, dict[str, Any]]], blender_python: Path, tmp_path: Path
) -> None:
    """A Blender that never heard of Tweenfield renders what was saved, from another folder."""
    saved = Path(scenario("frames")[""]["folder"]) / "to_render"
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(saved, elsewhere)
    saved.rename(saved.with_name(f"away_{way}"))
    try:
        words = [
            str(blender_python),
            str(SCENARIOS.parent / "render.py"),
            str(elsewhere / f"{way}.blend"),
            "1",
            "5",
            "9",
        ]
        environment = {**os.environ, "BLENDER_USER_RESOURCES": str(tmp_path / "profile"), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(words, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    finally:
        saved.with_name(f"away_{way}").rename(saved)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    assert answer["addons"] == []
    for frame, radius, red in (("1", 0.5, 0.0), ("5", 1.0, 0.5), ("9", 1.5, 1.0)):
        seen = answer["frames"][frame]
        assert seen["share"] == pytest.approx(np.pi * radius**2 / 16, rel=0.15), frame  # a disc in 4 by 4 units
        assert seen["colour"] == pytest.approx([red, 0.5, 0.25], abs=0.02), frame


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
