"""``shape-space``: train, go on, encode, interpolate, sample and evaluate; splits; what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from backend.cli import main
from backend.commands.parser import CommandError
from backend.commands.shape_space.shapes import shapes_in, split
from backend.geometry.io import read_mesh, write_ply
from backend.surfaces.distance_field import read_field
from backend.surfaces.space.model import read_space
from backend.training.checkpoints import checkpoints_of
from tests.cli.conftest import interrupt_when, start
from tests.meshes import icosphere
from tests.obj_file import write_obj

RADII = (0.5, 0.6, 0.7, 0.8)


@pytest.fixture(scope="module")
def balls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four balls and a space of three of them."""
    folder = tmp_path_factory.mktemp("space")
    (folder / "balls").mkdir()
    for number, radius in enumerate(RADII):
        write_ply(folder / "balls" / f"ball_{number}.ply", icosphere(2, radius))
    checkpoints_of(folder / "balls.safetensors").mkdir()  # as a command leaves it that is killed before it trains
    train = ["shape-space", "train", folder / "balls", "--out", folder / "balls.safetensors", "--steps", 300]
    assert main([str(argument) for argument in train]) == 0
    return folder


def run(*arguments: object) -> int:
    return main(["shape-space", *(str(argument) for argument in arguments)])


def test_one_in_four_is_held_out_and_both_are_measured(balls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = read_space(balls / "balls.safetensors")
    assert (space.names, space.held_out) == (("ball_0.ply", "ball_1.ply", "ball_3.ply"), ("ball_2.ply",))
    assert space.facts["steps"] == 300
    out = balls / "figures.json"
    assert run("evaluate", balls / "balls.safetensors", balls / "balls", "--resolution", 32, "--out", out) == 0
    told = capsys.readouterr().out
    assert "trained on: 3 shapes, mean" in told
    assert "held out, encoded: 1 shapes" in told
    figures = json.loads(out.read_text())
    assert set(figures["held_out"]) == {"ball_2.ply"}
    assert max(figures["trained"].values()) < 3.0  # percent


def test_an_unseen_scan_becomes_a_code_a_surface_and_a_report(balls: Path) -> None:
    scan, out = balls / "balls" / "ball_2.ply", balls / "encoded"
    encode = ("encode", balls / "balls.safetensors", scan, "--out", out, "--resolution", 32, "--seed", 3)
    assert run(*encode) == 0
    names = sorted(path.name for path in out.iterdir())
    assert names == ["code.npy", "field.safetensors", "report.json", "surface.ply"]
    assert np.load(out / "code.npy").shape == (16,)
    report = json.loads((out / "report.json").read_text())
    assert report["chamfer_percent"] < 3.0
    assert report["start"] in (None, "ball_0.ply", "ball_1.ply", "ball_3.ply")
    reach = np.linalg.norm(read_mesh(out / "surface.ply").positions(), axis=1)
    assert reach.mean() == pytest.approx(0.7, abs=0.06)
    assert np.abs(read_field(out / "field.safetensors").values(np.array([[0.7, 0.0, 0.0]]))[0]) < 0.1


def test_a_chain_of_meshes_leads_through_shapes_and_codes(balls: Path) -> None:
    model, code = balls / "balls.safetensors", balls / "last.npy"
    np.save(code, read_space(model).codes[2])
    out = balls / "chain"
    chain = ("interpolate", model, "ball_0", "ball_1.ply", code, "--interval", 3, "--out", out, "--resolution", 24)
    assert run(*chain) == 0
    frames = sorted(out.glob("frame_*.ply"))
    assert [path.name for path in frames] == [f"frame_000{k}.ply" for k in range(5)]
    sizes = [np.linalg.norm(read_mesh(path).positions(), axis=1).mean() for path in frames]
    assert sizes == sorted(sizes)
    assert (out / "contact_sheet.png").is_file()
    codes = np.load(out / "codes.npy")
    np.testing.assert_allclose(codes[1], (codes[0] + codes[2]) / 2, atol=1e-6)
    report = json.loads((out / "report.json").read_text())
    assert [one.get("trained") for one in report["shapes"]] == ["ball_0.ply", "ball_1.ply", None]
    assert report["frames"] == 5


def test_samples_lie_around_a_shape(balls: Path) -> None:
    out = balls / "samples"
    sample = ("sample", balls / "balls.safetensors", "ball_1", "--count", 2, "--spread", 0.1, "--resolution", 20)
    assert run(*sample, "--out", out) == 0
    assert len(list(out.glob("sample_*.ply"))) == 2
    for path in out.glob("sample_*.ply"):
        assert 0.4 < np.linalg.norm(read_mesh(path).positions(), axis=1).mean() < 0.9


def test_training_goes_on_where_a_checkpoint_is(balls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = balls / "balls.safetensors"
    before = model.read_bytes()
    train = ("train", balls / "balls", "--out", model)
    assert run(*train) == 2
    assert "--resume to go on with it, or --force" in capsys.readouterr().err
    assert run(*train, "--checkpoint", 77) == 2
    assert "no checkpoint '77'; there are 300 and latest" in capsys.readouterr().err
    assert run(*train, "--resume", "--seconds", 1) == 0
    assert read_space(model).facts["steps"] > 300
    assert read_space(model, "300").codes.shape == (3, 16)
    assert run("encode", model, balls / "balls" / "ball_2.ply", "--out", balls / "e", "--checkpoint", "9") == 2
    assert not (balls / "e").exists()
    model.write_bytes(before)


def test_ctrl_c_keeps_the_training_and_resume_goes_on_with_it(balls: Path, tmp_path: Path) -> None:
    train = ("shape-space", "train", balls / "balls", "--out", "m.safetensors", "--hold-out", 0)
    with start(*train, "--seconds", 60, cwd=tmp_path) as process:
        status, said = interrupt_when(process, "training ")
    assert status == 130, said
    assert "--resume goes on with it" in said
    stopped = read_space(tmp_path / "m.safetensors")
    assert len(stopped.names) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.safetensors", "m.safetensors.checkpoints"]
    assert run("train", balls / "balls", "--out", tmp_path / "m.safetensors", "--resume", "--seconds", 1) == 0
    assert read_space(tmp_path / "m.safetensors").facts["steps"] > stopped.facts["steps"]


def test_a_sequence_is_a_folder_of_frames(tmp_path: Path) -> None:
    mesh = icosphere(1)
    write_obj(tmp_path / "source.obj", mesh)
    np.save(tmp_path / "inbetween.npy", np.stack([k * mesh.positions() for k in (1.0, 1.5)]).astype(np.float32))
    frames = shapes_in(tmp_path, lambda *_: None)
    assert [named.name for named in frames] == ["frame_0000", "frame_0001"]
    np.testing.assert_allclose(np.linalg.norm(frames[1].shape.points, axis=1), 1.5, atol=1e-5)
    np.save(tmp_path / "inbetween.npy", np.zeros((2, 3)))
    with pytest.raises(CommandError, match=r"must be \[poses, vertices of source\.obj, 3\]"):
        shapes_in(tmp_path, lambda *_: None)


def test_splits_by_names_and_as_published(tmp_path: Path) -> None:
    names = ["50002/run.000001.ply", "50002/run.000002.ply", "50004/run.000001.ply", "x/chair.ply"]
    file = tmp_path / "split.json"

    def of(told: object) -> tuple[list[int], list[int]]:
        file.write_text(json.dumps(told))
        return split(names, file, 4)

    assert of({"train": ["x/chair.ply", "50002/run.000001"], "test": ["50004/run.000001.ply"]}) == ([0, 3], [2])
    assert of({"test": ["chair"]}) == ([0, 1, 2], [3])
    assert of({"dfaust": {"50002": ["run.000001", "run.000002"], "50004": ["run.000001"]}}) == ([0, 1, 2], [3])
    assert split(names, None, 4) == ([0, 1, 3], [2])
    assert split(names, None, 0) == ([0, 1, 2, 3], [])
    for told, fault in (
        ({"train": ["run.000001"]}, "can be 50002/run.000001.ply or 50004/run.000001.ply"),
        ({"train": ["table"]}, "there is no shape table"),
        ({"train": ["chair"], "test": ["chair"]}, "both trained on and held out"),
        ({"train": [3]}, "3 is not the name of a shape"),
    ):
        with pytest.raises(CommandError, match=fault):
            of(told)
    file.write_text("{")
    with pytest.raises(CommandError, match="cannot be read as JSON"):
        split(names, file, 4)


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("interpolate", "MODEL", "ball_0", "--out", "o"), "name two at least"),
        (("interpolate", "MODEL", "ball_0", "ball_9", "--out", "o"), "there is no shape ball_9"),
        (("interpolate", "MODEL", "ball_0", "no.ply", "--out", "o"), "no.ply: there is no such file"),
        (("interpolate", "MODEL", "ball_0", "bad.npy", "--out", "o"), "holds 3 numbers; a code of this space has 16"),
        (("interpolate", "MODEL", "ball_0", "empty.npy", "--out", "o"), "empty.npy: cannot be read as an array"),
        (("evaluate", "MODEL", ".", "--out", "none/o"), "none: is not a folder; make it"),
        (("sample", "MODEL", "ball_0", "--spread", "-1", "--out", "o"), "'-1' is not a number from 0 to 100"),
        (("encode", "balls/ball_0.ply", "balls/ball_0.ply", "--out", "o"), "not a space of `shape-space train`"),
        (("encode", "none.safetensors", "balls/ball_0.ply", "--out", "o"), "none.safetensors: No such file"),
        (("train", "balls/ball_0.ply", "--out", "o.safetensors"), "is not a folder"),
        (("train", "balls", "--out", "o.safetensors", "--resume"), "no training has left checkpoints"),
        (("dance",), "invalid choice: 'dance'"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_left(
    balls: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    fault: str,
) -> None:
    monkeypatch.chdir(balls)
    np.save("bad.npy", np.zeros(3))
    Path("empty.npy").touch()
    assert main(["shape-space", *("balls.safetensors" if a == "MODEL" else a for a in arguments)]) == 2
    assert fault in capsys.readouterr().err
    assert not (balls / "o").exists()
    assert not (balls / "o.safetensors").exists()
    assert not checkpoints_of(balls / "o.safetensors").exists()
