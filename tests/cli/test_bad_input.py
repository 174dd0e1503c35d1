"""Every file of bad input, as source and as target: a finished morph with its repairs told, or one plain error line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend.geometry.io import read_mesh
from tests.cli.conftest import environment
from tests.shared_data import shared_data

DATA = shared_data()
pytestmark = pytest.mark.skipif(DATA is None, reason="the shared test data is not here")

# Refused, with words of the message.
REFUSED = {
    "empty.obj": "no vertices",
    "empty.ply": "no vertices",
    "index_out_of_range.obj": "vertices that do not exist",
    "inf_vertex.obj": "infinite",
    "lines_only.obj": "no faces",
    "nan_vertices.obj": "NaN",
    "points_only.obj": "no faces",
}
# Morphed, with words of a warning about the source.
MORPHED = {
    "duplicate_faces.obj": "500 duplicate faces",
    "flipped_normals.obj": "normals point inwards",
    "huge_offset.obj": "",
    "mixed_orientation.obj": "faces turned like the neighbours",
    "nested_components.obj": "",
    "quads.obj": "",
    "tiny.obj": "",
    "two_components.obj": "",
    "unreferenced_vertices.obj": "50 vertices without a face",
    "unwelded.obj": "joined with it",
    "zero_area_faces.obj": "without area",
}
# One process for all files: starting PyTorch takes longer than most of them.
SCRIPT = """
import contextlib, io, json, sys
from backend.cli import main
for line in sys.stdin:
    errors, words = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(words):
        status = main(json.loads(line))
    print(json.dumps([status, errors.getvalue(), words.getvalue()]))
"""


def run_all(commands: list[list[str]], folder: Path) -> list[tuple[int, str, str]]:
    """Exit status, standard error and standard output of many commands."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT],
        input="".join(json.dumps(command) + "\n" for command in commands),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return [tuple(json.loads(line)) for line in run.stdout.splitlines()]


def moved_copy(path: Path, folder: Path) -> Path:
    """The same file turned about its middle and moved, as text, so that nothing of it is mended on the way."""
    lines = path.read_text().splitlines()
    places = [k for k, line in enumerate(lines) if line.startswith("v ")]
    points = np.array([lines[k].split()[1:4] for k in places], float)
    middle, size = np.median(points, axis=0), np.ptp(read_mesh(path).positions(), axis=0).max()
    x, y, z = (points - middle).T
    moved = np.stack([-y, x, z], axis=1) + middle + 0.5 * size
    for k, point in zip(places, moved.tolist(), strict=True):
        lines[k] = " ".join(["v", *map(repr, point)])
    copy = folder / f"moved_{path.name}"
    copy.write_text("\n".join(lines) + "\n")
    return copy


def test_every_file_is_here() -> None:
    assert DATA is not None
    assert {*REFUSED, *MORPHED} <= {path.name for path in (DATA / "bad").iterdir()}


def test_files_that_are_refused(tmp_path: Path) -> None:
    assert DATA is not None
    good = str(DATA / "fox_run" / "source.obj")
    jobs = []
    for name in REFUSED:
        bad = str(DATA / "bad" / name)
        jobs += [(bad, ["morph", bad, good, "--out", "out"]), (bad, ["morph", good, bad, "--out", "out"])]
    for (bad, _), (status, errors, words) in zip(jobs, run_all([job for _, job in jobs], tmp_path), strict=True):
        line = errors.strip().splitlines()[-1]
        assert status == 2
        assert line.startswith(f"tweenfield: error: {bad}: ")
        assert REFUSED[Path(bad).name] in line
        assert "Traceback" not in errors
        assert words == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.timeout(300)
def test_files_that_morph(tmp_path: Path) -> None:
    assert DATA is not None
    options = ["--method", "linear", "--frames", "2"]
    sources = {name: DATA / "bad" / name for name in MORPHED}
    targets = {name: moved_copy(path, tmp_path) for name, path in sources.items()}
    jobs = [["morph", str(sources[name]), str(targets[name]), "--out", name, *options] for name in MORPHED]
    for name, (status, errors, words) in zip(MORPHED, run_all(jobs, tmp_path), strict=True):
        assert status == 0, errors
        warnings = [line for line in words.splitlines() if line.startswith("warning: source")]
        assert MORPHED[name] in " ".join(warnings)
        assert bool(warnings) == bool(MORPHED[name]), warnings
        source, target = read_mesh(sources[name]), read_mesh(targets[name])
        first, last = (read_mesh(tmp_path / name / f"frame_000{k}.ply") for k in (0, 1))
        for frame, wanted in ((first, source), (last, target)):
            assert np.array_equal(frame.face_offsets, source.face_offsets)
            assert np.array_equal(frame.face_indices, source.face_indices)
            used = np.unique(source.face_indices)
            size = np.linalg.norm(np.ptp(source.positions()[used], axis=0))
            error = np.abs(frame.positions() - wanted.positions())[used].max()
            assert error < 1e-5 * size, name


def test_most_points_at_zero(tmp_path: Path) -> None:
    """A process of the command line measures them; in a process of its own, since what can go wrong is a crash."""
    script = """
import numpy as np
from backend.device import configure
from backend.geometry.distance import nearest_distances
configure()
points = np.zeros((100, 3))
points[80:, 0] = np.random.default_rng(0).random(20)
assert max(map(np.max, nearest_distances(points, points))) == 0.0
"""
    command = [sys.executable, "-W", "error", "-c", script]
    run = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
