"""``morph`` as a process of its own, for measuring: what it reports and the frames it leaves."""

from __future__ import annotations

import json
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
        said = ended.stderr.strip().splitlines()[-1].removeprefix("tweenfield: error: ")
        if ended.returncode == 2 and pair.table is None:
            return Refused(said)
        raise CommandError(f"{pair.name}: {said}")
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return Morphed(report, [read_mesh(path) for path in sorted(out.glob("frame_*.ply"))])
