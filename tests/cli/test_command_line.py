"""The frame of the command line: help without waiting, both spellings, one plain line for every fault."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from backend import __version__
from backend.cli import COMMANDS, main
from backend.commands.job import add_job_options, add_timeline_options, read_config, settings_of
from backend.commands.parser import CommandError, Parser, spelled
from backend.commands.progress import Progress, describe, duration
from backend.environment import ALGEBRA
from tests.cli.conftest import REPOSITORY, environment

HEAVY = ("torch", "scipy", "trimesh", "igl")


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])
        assert end.value.code == 0
        assert f"usage: tweenfield {name}" in capsys.readouterr().out


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom backend.cli import COMMANDS, main\nmain([])\n"
        "for name in COMMANDS:\n"
        "    try: main([name, '--help'])\n"
        "    except SystemExit: pass\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], env=environment(), cwd=REPOSITORY, check=True, capture_output=True)


@pytest.mark.parametrize(("given", "threads"), [(None, "1"), ("3", "3")])
def test_linear_algebra_has_one_thread_unless_the_user_says_so(given: str | None, threads: str) -> None:
    """It is said before numpy is loaded."""
    script = (
        "import os, sys\nfrom backend.cli import main\nassert 'numpy' not in sys.modules\nmain(['--version'])\n"
        f"assert {{os.environ[name] for name in {ALGEBRA!r}}} == {{{threads!r}}}"
    )
    bare = {name: value for name, value in environment().items() if name not in ALGEBRA}
    asked = {} if given is None else dict.fromkeys(ALGEBRA, given)
    subprocess.run([sys.executable, "-c", script], env=bare | asked, cwd=REPOSITORY, check=True, capture_output=True)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tweenfield {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mroph"], "there is no command 'mroph'"),
        (["morph"], "morph needs SOURCE, TARGET and --out"),
        (["morph", "a.obj", "b.obj", "--out", "o", "--frame", "3"], "unrecognized arguments: --frame 3"),
        (["morph", "a.obj", "b.obj", "--out", "o", "--frames", "1"], "'1' is not a whole number from 2 to 100000"),
        (["morph", "a.obj", "b.obj", "--out", "o", "--seconds", "-3"], "'-3' is not a positive number of seconds"),
        (["morph", "a.obj", "b.obj", "--out", "o", "--seconds", "nan"], "'nan' is not a positive number of seconds"),
        (["morph", "a.obj", "b.obj", "--out", "o", "--easing", "bouncy"], "'bouncy' is not one of linear, ease-in"),
        (["morph", "a.obj", "b.obj", "--out", "o", "--config", "no.toml"], "no.toml: No such file"),
        (["morph", "a.obj", "b.obj", "--out", "o", "--connect", "no.json"], "no.json"),
        (["morph", "a.obj", "b.obj", "--out", "o"], "a.obj: there is no such file"),
        (["morph", "a.obj", "b.obj", "--out", "o", "--method", "magic"], "there is no method 'magic'"),
        (["morph", "a.obj", "b.obj", "--out", "o", "--preset", "magic"], "has no preset 'magic'"),
        (["morph", "a.obj", "b.obj", "--out", "o", "--set", "depth"], "write NAME=VALUE"),
        (["morph", "a.obj", "b.obj", "--out", "o", "--set", "magic=1"], "has no setting 'magic'"),
        (["bake", "no.safetensors", "--out", "o"], "no.safetensors: cannot be read"),
        (["evaluate", "nowhere", "--source", "a.obj", "--target", "b.obj"], "a.obj: there is no such file"),
    ],
)
def test_faults_are_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    said = capsys.readouterr()
    lines = said.err.strip().splitlines()
    assert lines[-1].startswith("tweenfield: error: ")
    assert words in lines[-1]
    assert "Traceback" not in said.err
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_morph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fake.safetensors").write_bytes(b"nothing of the kind")
    assert main(["bake", str(tmp_path / "fake.safetensors"), "--out", str(tmp_path / "out")]) == 2
    assert "fake.safetensors: not a Tweenfield morph" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_hyphen_and_underscore_are_equal() -> None:
    given = ["--constant_speed", "--set", "a_b=c_d", "--easing=ease_in", "file_name", "--", "--as_it_is"]
    assert spelled(given) == [
        "--constant-speed",
        "--set",
        "a_b=c_d",
        "--easing=ease_in",
        "file_name",
        "--",
        "--as_it_is",
    ]
    parser = Parser("test", "")
    add_timeline_options(parser)
    for word in ("ease_in_out", "ease-in-out", "Ease_In-Out"):
        assert parser.parse_args(["--easing", word]).easing == "ease-in-out"


def test_settings_take_the_type_of_their_value() -> None:
    found = settings_of(["whole=3", "real=2.5e-1", "flag=True", "word=rk4", "whole = 4", "with-hyphen=x=y"])
    assert found == {"whole": 4, "real": 0.25, "flag": True, "word": "rk4", "with_hyphen": "x=y"}


def test_a_config_file_gives_defaults_and_the_command_line_wins(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_text(
        'preset = "draft"\nframes = 7\nconstant_speed = true\ncarry = ["a.obj", "b.obj"]\n[settings]\ndepth = 3\n'
    )
    parser = Parser("test", "")
    parser.add_argument("--config", type=Path)
    add_job_options(parser)
    add_timeline_options(parser)
    parser.set_defaults(preset="standard", frames=24, set=[], seed=0)
    parser.config = read_config
    found = parser.read(["--config", str(path), "--frames", "9", "--set", "depth=5"])
    assert (found.preset, found.frames, found.constant_speed, found.seed) == ("draft", 9, True, 0)
    assert found.carry == [Path("a.obj"), Path("b.obj")]
    assert settings_of(found.set) == {"depth": 5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("frames = ", "is not a TOML file"),
        ("frames = 1", "frames: '1' is not a whole number from 2 to 100000"),
        ("frmes = 3", "unknown entry 'frmes' (entries are"),
        ("[setings]\ndepth = 3", "unknown table [setings]; there is [settings]"),
        ("settings = 3", "settings is a table"),
        ("frames = {a = 1}", "frames is {'a': 1}"),
        ("reverse = 3", "reverse is 3; it must be true or false"),
    ],
)
def test_a_faulty_config_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "job.toml"
    path.write_text(text)
    with pytest.raises(CommandError) as error:
        read_config(path)
    assert str(error.value).startswith(f"{path}: ")
    assert words in str(error.value)
    assert "--" not in str(error.value).replace("--help", "")


def test_progress_in_a_file_has_the_last_line_of_each_phase() -> None:
    file = io.StringIO()
    with Progress(file) as progress:
        for phase, total in (("training", 300), ("baking", 5)):
            for step in range(total + 1):
                progress(phase, step, total)
    lines = [line.split()[0] + " " + line.split()[-1] for line in file.getvalue().splitlines()]
    assert lines == ["training 0/300", "training 300/300", "baking 0/5", "baking 5/5"]


def test_progress_in_words() -> None:
    line = describe("training", 250, 1000, 0.01234, 65.0)
    assert line == "training      [######------------------]  250/1000  loss 0.0123  1 min 5 s left"
    assert describe("starting", 0, 0, None, None) == "starting"
    assert [duration(seconds) for seconds in (0.2, 59.7, 3600 + 180)] == ["0 s", "1 min 0 s", "1 h 3 min"]
