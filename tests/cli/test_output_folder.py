"""The output folder: whole or not there at all, and never anything of somebody else's deleted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.cli import main
from backend.commands.output import check_output, output_folder
from backend.commands.parser import CommandError
from tests.cli.conftest import environment


def fill(out: Path, text: str, force: bool = False) -> None:
    with output_folder(out, force) as folder:
        (folder / "frame_0000.ply").write_text(text)
        (folder / "report.json").write_text(json.dumps({"versions": {"tweenfield": "0"}, "text": text}))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_folder_appears_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "new" / "deep" / "out"
    with output_folder(out) as folder:
        (folder / "frame_0000.ply").write_text("x")
        assert not out.exists()
    assert names(out) == {"frame_0000.ply"}
    assert names(out.parent) == {"out"}


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(143)])
def test_an_error_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def fails() -> None:
        with output_folder(tmp_path / "new" / "out") as folder:
            (folder / "frame_0000.ply").write_text("x")
            raise error

    with pytest.raises(type(error)):
        fails()
    assert names(tmp_path) == set()


def test_an_error_leaves_the_earlier_result(tmp_path: Path) -> None:
    fill(tmp_path / "out", "first")

    def fails() -> None:
        with output_folder(tmp_path / "out") as folder:
            (folder / "frame_0000.ply").write_text("second")
            raise ValueError

    with pytest.raises(ValueError, match=r"^$"):
        fails()
    assert (tmp_path / "out" / "frame_0000.ply").read_text() == "first"
    assert names(tmp_path / "out") == {"frame_0000.ply", "report.json"}


def test_an_earlier_result_is_replaced_and_other_files_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fill(out, "first")
    for name in ("frame_0001.ply", "carry_eye_0001.ply", "morph.glb", "notes.txt", "frame_final.ply"):
        (out / name).write_text("first")
    fill(out, "second")
    assert names(out) == {"frame_0000.ply", "report.json", "notes.txt", "frame_final.ply"}
    assert (out / "frame_0000.ply").read_text() == "second"
    assert (out / "notes.txt").read_text() == "first"


def test_a_folder_of_somebody_else_needs_force(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text('{"made by": "another program"}')
    for name in ("frame_0000.ply", "frame_0001.ply", "contact_sheet.png"):
        (tmp_path / name).write_text("theirs")
    with pytest.raises(CommandError, match="--force"):
        fill(tmp_path, "ours")
    assert (tmp_path / "frame_0000.ply").read_text() == "theirs"
    fill(tmp_path, "ours", force=True)
    assert (tmp_path / "frame_0000.ply").read_text() == "ours"
    assert (tmp_path / "frame_0001.ply").read_text() == "theirs"
    assert (tmp_path / "contact_sheet.png").read_text() == "theirs"


def test_what_a_command_reads_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    fill(out, "first")
    (out / "morph.safetensors").write_text("trained for hours")
    before = {path.name: path.read_text() for path in out.iterdir()}
    assert main(["bake", str(out / "morph.safetensors"), "--out", str(out)]) == 2
    assert main(["morph", str(out / "frame_0000.ply"), "other.obj", "--out", str(out)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all(line.endswith("choose another --out") for line in said)
    assert {path.name: path.read_text() for path in out.iterdir()} == before
    check_output(out, False, [out / "source.obj", tmp_path / "morph.safetensors"])


def test_an_empty_folder_is_used_and_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    fill(tmp_path / "empty", "x")
    assert names(tmp_path / "empty") == {"frame_0000.ply", "report.json"}
    (tmp_path / "file").write_text("x")
    with pytest.raises(CommandError, match="is a file"):
        fill(tmp_path / "file", "y")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    if os.name == "posix" and os.geteuid() == 0:
        locked = Path("/sys")  # even root makes no folders there
    else:
        locked = tmp_path / "locked"
        locked.mkdir()
        locked.chmod(0o555)
    with pytest.raises(CommandError, match=r"no folder can be written there .*choose another --out"):
        fill(locked / "out", "x")
    assert not (locked / "out").exists()


def test_a_fault_while_writing_says_what_to_do(tmp_path: Path) -> None:
    def fails() -> None:
        with output_folder(tmp_path / "out"):
            raise OSError(28, "No space left on device")

    with pytest.raises(CommandError, match=r"out: cannot be written \(No space left on device\); free some space"):
        fails()
    assert names(tmp_path) == set()


KILLED = """
import sys
from pathlib import Path
from backend.commands.output import output_folder
with output_folder(Path(sys.argv[1])) as folder:
    (folder / "frame_0000.ply").write_text("half")
    print("there", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("exists", [False, True])
def test_what_a_killed_command_left_goes_with_the_next_one(tmp_path: Path, exists: bool) -> None:
    """Even an empty folder that it had been given is free again; a command that still runs keeps what it has."""
    out = tmp_path / "out"
    if exists:
        out.mkdir()
    home = out if exists else tmp_path
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(out)],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "there\n"
        with output_folder(home / "other"):
            assert len(list(home.glob(".tweenfield-*/frame_0000.ply"))) == 1
        (home / "other").rmdir()
        running.kill()
    assert len(list(home.glob(".tweenfield-*/frame_0000.ply"))) == 1
    fill(out, "second")
    assert names(out) == {"frame_0000.ply", "report.json"}
    assert names(tmp_path) == {"out"}
    assert (out / "frame_0000.ply").read_text() == "second"
