"""Frames with faces of their own, and poses on the way, from the command line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backend.cli import main
from backend.commands.job import read_config
from backend.commands.morph import add_arguments
from backend.commands.parser import CommandError, Parser, spelled
from backend.geometry.edges import edges_of
from backend.geometry.io import read_mesh
from protocol.mesh import MeshData
from tests.cli.test_backend_commands import connection_file as connection_file
from tests.cli.test_morph import contents, done
from tests.meshes import icosphere, torus
from tests.obj_file import write_obj

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def ball_and_ring(tmp_path: Path) -> tuple[Path, Path]:
    """Two shapes that no match joins: ``ball.obj`` with texture coordinates, and ``ring.obj``."""
    ball = icosphere(2, 0.5)
    uv = ball.positions()[ball.face_indices, :2].astype(np.float32)
    write_obj(
        tmp_path / "ball.obj", MeshData(ball.vertices, ball.face_offsets, ball.face_indices, attributes={"uv": uv})
    )
    write_obj(tmp_path / "ring.obj", torus(24, 12, 0.5, 0.2))
    return tmp_path / "ball.obj", tmp_path / "ring.obj"


def test_shapes_without_a_match_become_frames_of_their_own(
    command: Command, ball_and_ring: tuple[Path, Path], tmp_path: Path, connection_file: Path
) -> None:
    job = (*ball_and_ring, "--method", "sdf_blend", "--resolution", 32, "--frames", 4)
    said = done(command("morph", *job, "--out", "here", "--gltf"))
    assert "every frame has faces of its own" in said.stdout
    done(command("morph", *job, "--out", "there", "--connect", connection_file))
    here, there = contents(tmp_path / "here"), contents(tmp_path / "there")
    assert len(here) == 5
    assert here == there

    report = json.loads((tmp_path / "here" / "report.json").read_text())
    assert (report["topology"], report["correspondence"]) == ("remesh", None)
    assert report["topology_reason"]
    metrics = report["metrics"]
    assert [shape["closed"] for shape in metrics["topology"]] == [True] * 4
    assert [metrics["topology"][k]["genus"] for k in (0, -1)] == [0, 1]
    assert len(metrics["area"]) == 4
    for end in metrics["endpoints"].values():
        assert end["chamfer"] < end["floor_chamfer"] + 0.01
    document = (tmp_path / "here" / "morph.glb").read_bytes()
    nodes = json.loads(document[20 : 20 + int.from_bytes(document[12:16], "little")])["nodes"]
    assert [node["name"] for node in nodes] == [f"frame_{k:04d}" for k in range(4)]

    done(command("bake", "here/morph.safetensors", "--out", "fine", "--frames", 4, "--resolution", 64))
    coarse, fine = (read_mesh(tmp_path / name / "frame_0003.ply") for name in ("here", "fine"))
    assert fine.n_faces > 3 * coarse.n_faces
    assert edges_of(fine.triangles()).closed


def test_a_motion_through_a_pose(command: Command, pair: tuple[Path, Path], tmp_path: Path) -> None:
    source = read_mesh(pair[0])
    raised = source.with_positions(source.positions() + np.array([0.0, 0.0, 2.0]))
    write_obj(tmp_path / "raised.obj", raised)
    order = np.random.default_rng(0).permutation(source.n_vertices)
    place = np.argsort(order)
    shuffled = MeshData.from_positions(raised.positions()[order], raised.face_offsets, place[raised.face_indices])
    write_obj(tmp_path / "shuffled.obj", shuffled)
    np.save(tmp_path / "place.npy", place)
    job = ("morph", *pair, "--method", "linear", "--frames", 5)
    done(command(*job, "--out", "order", "--through", "raised.obj"))
    done(command(*job, "--out", "table", "--through", "shuffled.obj", "--through-tables", "place.npy"))
    for name in ("order", "table"):
        middle = read_mesh(tmp_path / name / "frame_0002.ply").positions()
        np.testing.assert_allclose(middle, raised.positions(), atol=1e-3)
    report = json.loads((tmp_path / "order" / "report.json").read_text())
    assert (report["stops"], report["files"]["through"]) == (1, ["raised.obj"])


def test_poses_that_cannot_be(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_obj(tmp_path / "other.obj", icosphere(1))
    (tmp_path / "broken.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\n")
    for through, words in (
        (("other.obj",), "the source has 162 vertices and stop 1 42"),
        (("ball.obj", "broken.obj"), "broken.obj: "),
        (("ball.obj", "bent.obj", "--through-tables", "place.npy"), "names 2 meshes and --through-tables 1"),
        (("ball.obj", "--method", "sdf_blend"), "knows no poses between source and target"),
    ):
        status = main(["morph", *map(str, pair), "--out", "no", "--method", "linear", "--through", *through])
        assert status == 2
        assert words in capsys.readouterr().err.splitlines()[-1]
        assert not (tmp_path / "no").exists()


def parsed(*words: str) -> dict[str, object]:
    parser = Parser("tweenfield morph", "")
    add_arguments(parser)
    return vars(parser.read(spelled(["a.obj", "b.obj", "--out", "out", *words])))


def test_options_and_their_entries_in_a_config_file(tmp_path: Path) -> None:
    file = tmp_path / "job.toml"
    file.write_text('topology = "remesh"\nresolution = 64\nthrough = ["c.obj", "d.obj"]\n')
    found = parsed("--config", str(file), "--resolution", "256")
    assert (found["topology"], found["resolution"]) == ("remesh", 256)
    assert found["through"] == [Path("c.obj"), Path("d.obj")]
    plain = parsed()
    assert (plain["topology"], plain["resolution"], plain["through"]) == ("auto", 128, [])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('topology = "melt"', "'melt' is not one of auto, keep, remesh"),
        ("resolution = 7", "'7' is not a whole number from 8 to 1024"),
    ],
)
def test_what_they_cannot_be(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "job.toml").write_text(line)
    with pytest.raises(CommandError, match=words):
        read_config(tmp_path / "job.toml")
    name, value = line.split(" = ")
    with pytest.raises(CommandError, match=words):
        parsed(f"--{name}={json.loads(value)}")


def test_the_list_of_settings_tells_what_a_method_can_make(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["morph", "--list-settings"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for method, made in (("linear", "keep"), ("sdf_blend", "remesh")):
        start = next(k for k, line in enumerate(lines) if line.startswith(f"{method}: "))
        assert f"  topology: {made}" in lines[start : start + 6]
