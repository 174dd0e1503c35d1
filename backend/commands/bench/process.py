"""Commands as processes of their own, for measuring: how long they take, what ``morph`` reports and leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.commands.bench.pairs import BenchPair
from backend.commands.parser import CommandError
from backend.environment import environment
from backend.geometry.io import read_mesh
from protocol.mesh import MeshData


@dataclass(frozen=True)
class Refused:
    """The job could not be done with what the pair has."""

    why: str


@dataclass(frozen=True)
class Morphed:
    """A finished job."""

    report: dict[str, Any]
    frames: list[MeshData]


def run_morph(pair: BenchPair, out: Path, options: Sequence[str]) -> Morphed | Refused:
    """Morphs a pair into the folder ``out``, by its table if it has one. Raises ``CommandError`` if that fails."""
    command = [sys.executable, "-m", "backend", "morph", str(pair.source), str(pair.target), "--out", str(out)]
    command += [*options, *(["--correspondence", str(pair.table)] if pair.table else [])]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        said = _last_words(ended)
        if ended.returncode == 2 and pair.table is None:
            return Refused(said)
        raise CommandError(f"{pair.name}: {said}")
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return Morphed(report, [read_mesh(path) for path in sorted(out.glob("frame_*.ply"))])


def run_command(*arguments: str | Path) -> float:
    """Runs ``python -m backend``; the CPU seconds that it took. Raises ``CommandError`` with its last words."""
    before = os.times()
    command = [sys.executable, "-m", "backend", *map(str, arguments)]
    ended = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise CommandError(f"{arguments[0]}: {_last_words(ended)}")
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def _last_words(ended: subprocess.CompletedProcess[str]) -> str:
    return ended.stderr.strip().splitlines()[-1].removeprefix("tweenfield: error: ")
