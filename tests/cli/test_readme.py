"""What the README says is so: commands, options, libraries, files, and the Python example."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from backend.cli import COMMANDS
from backend.commands.checks import BPY_LIBRARIES
from backend.commands.parser import Parser, spelled
from tests.cli.conftest import REPOSITORY, environment

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BLOCKS = [line[4:] for line in README.splitlines() if line.startswith("    ")]
DEMO = "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/python -m backend demo"
TESTS = 'python3 -m venv .venv && .venv/bin/pip install ".[test]" && .venv/bin/python -m pytest -n 2 --dist loadfile'


def windows_form(command: str) -> str:
    return command.replace("python3 ", "py -3.11 ").replace(".venv/bin/", ".venv\\Scripts\\")


def test_the_two_commands_and_their_windows_forms() -> None:
    for command in (DEMO, TESTS):
        assert BLOCKS.count(command) == 1
        assert BLOCKS.count(windows_form(command)) == 1


def test_the_first_line_is_a_picture_of_a_morph() -> None:
    name = re.match(r"!\[[^\]]+\]\(([^)]+)\)\n", README)
    assert name
    with Image.open(REPOSITORY / name[1]) as picture:
        assert picture.width >= 800


def test_the_shared_libraries_are_those_that_doctor_checks() -> None:
    (line,) = (line for line in BLOCKS if line.startswith("sudo apt-get install "))
    assert set(line.split()[3:]) == set(BPY_LIBRARIES.values())


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bpy's libraries on Linux")
def test_every_library_that_bpy_loads_from_outside_is_checked() -> None:
    """What the loader finds outside of bpy and of the basic system must be on doctor's list."""
    spec = importlib.util.find_spec("bpy")
    if spec is None or spec.origin is None:
        pytest.skip("bpy is not installed")
    home = Path(spec.origin).parent
    found = subprocess.run(["ldd", spec.origin], capture_output=True, text=True, check=True).stdout
    names = {line.split()[0] for line in found.splitlines() if "=>" in line and str(home) not in line}
    basic = {"libc", "libm", "libdl", "libpthread", "librt", "libutil", "libgcc_s", "libstdc++"}
    # These come with the libraries of the list.
    behind = {"libGLX", "libGLdispatch", "libXau", "libXdmcp", "libbsd", "libmd", "libuuid", "libxcb"}
    unknown = {name for name in names if name.split(".so")[0] not in basic | behind} - set(BPY_LIBRARIES)
    assert unknown == set()


def test_every_command_line_in_it_is_one() -> None:
    lines = [line for line in BLOCKS if line.startswith(".venv/bin/tweenfield ")]
    helps = {}
    for line in lines:
        name, *arguments = shlex.split(line)[1:]
        parser = Parser(f"tweenfield {name}", "")
        importlib.import_module(f"backend.commands.{name.replace('-', '_')}").add_arguments(parser)
        parser.read(spelled(arguments))
        helps[name] = parser.format_help()
    assert {"morph", "bake", "evaluate", "serve", "demo", "fit", "query", "shape-space"} <= set(helps) <= set(COMMANDS)
    named = re.findall(r"`(--[a-z-]+)", README)
    assert {"--set", "--config"} <= set(named)
    for option in named:
        assert any(option in text for text in helps.values()), option


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    for link in links:
        assert (REPOSITORY / link).exists(), link


def test_its_python_runs(pair: tuple[Path, Path], tmp_path: Path) -> None:
    pair[0].rename(tmp_path / "source.obj")
    pair[1].rename(tmp_path / "target.obj")
    code = "\n".join(line[4:] for line in README.partition("## From Python")[2].splitlines() if line.startswith("    "))
    (tmp_path / "example.py").write_text(code.replace('"velocity_field"', '"linear"') + "\n")
    run = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.splitlines()) == 24
