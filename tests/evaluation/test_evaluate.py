"""The numbers of a finished morph: against the project's reference script, and on cases whose answer is known."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from backend.evaluation.evaluate import evaluate
from backend.geometry.io import read_mesh, write_ply
from protocol.mesh import MeshData
from tests.meshes import icosphere, torus, triangle_mesh
from tests.shared_data import shared_data

SAMPLED = ("chamfer", "hd95", "hd_max")


def reference() -> tuple[Path, ModuleType]:
    """The shared data and the script beside it that defines the metrics."""
    data = shared_data()
    script = None if data is None else data.parent / "tools" / "evaluate.py"
    if data is None or script is None or not script.is_file():
        pytest.skip("the shared test data is not here")
    spec = importlib.util.spec_from_file_location("reference_evaluate", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return data, module


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Every number with its path."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for k, item in enumerate(value):
            yield from leaves(item, f"{path}[{k}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)


# The script leaves its files to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["fox_run", "elephant_pose", "michael_remeshed", "elephant_cut"])
def test_agrees_with_the_reference_script(name: str, tmp_path: Path) -> None:
    data, script = reference()
    manifest = json.loads((data / "manifest.json").read_text())
    pair = next(p for p in manifest["pairs"] if p["id"] == name)
    source, target = read_mesh(data / pair["source"]), read_mesh(data / pair["target"])
    write_ply(tmp_path / "source.ply", source)  # the same float32 positions for both
    write_ply(tmp_path / "target.ply", target)
    goal = script.baseline(pair, str(data), "linear", n=4)
    frames = [source.with_positions(positions) for positions, _ in goal]
    here = {key: str(data / pair[key]) for key in ("corr", "inbetween") if pair.get(key)}
    here |= {"source": str(tmp_path / "source.ply"), "target": str(tmp_path / "target.ply")}
    wanted = script.evaluate(
        [(frame.positions(), frame.triangles().astype(np.int64)) for frame in frames],
        pair | here,
        "",
        N=4000,
        per_frame=True,
    )
    found = evaluate(
        frames,
        source,
        target,
        np.load(here["corr"]),
        np.load(here["inbetween"]) if "inbetween" in here else None,
        pair.get("inbetween_t"),
        samples=4000,
        per_frame=True,
    )
    ours = dict(leaves(found))
    compared = 0
    for path, value in leaves(wanted):
        if path == "seconds":
            continue
        assert path in ours
        last = path.split(".")[-1].split("[")[0]
        if any(word in last for word in SAMPLED):
            assert ours[path] == pytest.approx(value, rel=0.4 if "max" in last else 0.06), path
        else:
            assert ours[path] == pytest.approx(value, rel=1e-6, abs=1e-9), path
            compared += 1
    assert compared > 30
    assert found["fixed_topology"] is wanted["fixed_topology"] is True
    assert found["faces_are_source"] is wanted["faces_are_source"] is True


def grown(factors: list[float]) -> tuple[MeshData, list[MeshData]]:
    sphere = icosphere(3)
    return sphere, [sphere.with_positions(sphere.positions() * factor) for factor in factors]


def test_a_growing_sphere() -> None:
    sphere, frames = grown([1.0, 1.5, 2.0])
    every = np.stack([np.arange(sphere.n_vertices)] * 2, axis=1)
    found = evaluate(frames, sphere, frames[-1], every, samples=3000)
    size = found["diag"]
    assert found["fixed"]["conformal"]["max"] == pytest.approx(1, abs=1e-6)
    assert found["fixed"]["area"]["last"] == pytest.approx(np.log(4))
    assert found["fixed"]["corr_error_t1"]["mean"] == 0
    assert found["fixed"]["step_cv"] == pytest.approx(0, abs=1e-6)
    assert found["fixed"]["path_length"] == pytest.approx(1 / size)
    assert found["area_ratio_max_dev"] == pytest.approx(1 - 2.25 / 2.5)
    assert found["volume_ratio_max_dev"] == pytest.approx(1 - 3.375 / 4.5)
    assert found["self_intersecting_faces"] == {"mean": 0.0, "max": 0, "first": 0, "last": 0}
    ends = found["endpoints"]
    assert ends["t0"]["chamfer"] == pytest.approx(ends["t0"]["floor_chamfer"], rel=0.1)
    wrong = evaluate([frames[0], frames[0]], sphere, frames[-1], every, samples=3000)
    assert wrong["endpoints"]["t1"]["chamfer"] == pytest.approx(1 / size, rel=0.05)
    assert wrong["fixed"]["corr_error_t1"]["median"] == pytest.approx(1 / size)
    assert wrong["fixed"]["step_cv"] is None


def test_frames_at_uneven_times() -> None:
    """Area that changes evenly in time has no drift when the times are told."""
    times = [0.0, 0.2, 0.9, 1.0]
    sphere, frames = grown([float(np.sqrt(1 + 3 * t)) for t in times])
    assert evaluate(frames, sphere, frames[-1], samples=500, times=times)["area_ratio_std"] < 1e-7
    assert evaluate(frames, sphere, frames[-1], samples=500)["area_ratio_std"] > 0.05


def test_true_frames_between() -> None:
    sphere, frames = grown([1.0, 2.0])
    truth = np.stack([sphere.positions() * factor for factor in (1.0, 1.25, 1.6, 2.0)])
    found = evaluate(frames, sphere, frames[-1], None, truth, [0, 0.25, 0.5, 1], samples=500)
    error = 0.1 / found["diag"]
    assert found["inbetween"]["vertex_error"] == pytest.approx([0, 0, error, 0], abs=1e-8)
    assert found["inbetween"]["vertex_mean"] == pytest.approx(error / 2)
    assert found["inbetween"]["p_rmse"] == pytest.approx(error / np.sqrt(2))
    assert found["inbetween"]["largest_t_offset"] == 0


def test_changing_topology() -> None:
    ring, sphere = torus(), icosphere(3)
    found = evaluate([ring, ring, sphere], ring, sphere, samples=500)
    assert not found["fixed_topology"]
    assert "fixed" not in found
    assert [row["genus"] for row in found["topology"]] == [1, 1, 0]
    assert "volume_ratio_std" in found


def test_other_faces_than_the_source() -> None:
    """The table is looked up by place, and distortion is against the first frame."""
    sphere = icosphere(2)
    order = np.random.default_rng(0).permutation(sphere.n_vertices)
    back = np.argsort(order)
    shuffled = triangle_mesh(sphere.positions()[order], back[sphere.triangles()])
    table = np.stack([np.arange(sphere.n_vertices)] * 2, axis=1)
    found = evaluate([shuffled, shuffled], sphere, sphere, table, samples=500)
    assert found["faces_are_source"] is False
    assert found["fixed"]["corr_error_t0"] == 0
    assert found["fixed"]["corr_error_t1"]["mean"] == 0


def test_a_bad_frame_is_named_instead_of_measured() -> None:
    sphere, frames = grown([1.0, 1.0, 1.0])
    frames[1].vertices[3] = np.nan
    assert evaluate(frames, sphere, sphere)["bad_frames"] == [1]


def test_far_from_zero_is_the_same() -> None:
    sphere, frames = grown([1.0, 1.5, 2.0])
    shift = np.array([1e6, 2e6, -1e6])
    far = [triangle_mesh(frame.positions() + shift, frame.triangles()) for frame in frames]
    near = dict(leaves(evaluate(frames, sphere, frames[-1], samples=500)["fixed"]))
    moved = dict(leaves(evaluate(far, far[0], far[-1], samples=500)["fixed"]))
    for path, value in near.items():
        assert moved[path] == pytest.approx(value, rel=1e-5, abs=1e-5), path


def test_frames_of_their_own_faces_against_the_carried_source() -> None:
    """Coarser and finer balls, the one in the middle 10 % too wide, against a ball that moves."""
    source = icosphere(3)
    shift = [np.array([t, 0.0, 0.0]) for t in (0.0, 0.5, 1.0)]
    frames = [
        mesh.with_positions(size * mesh.positions() + step)
        for mesh, size, step in zip((icosphere(4), icosphere(3), icosphere(2)), (1.0, 1.1, 1.0), shift, strict=True)
    ]
    target = source.with_positions(source.positions() + shift[-1])
    carried = (source.positions() + step for step in shift)
    found = evaluate(frames, source, target, samples=4000, carried=carried)
    against = found["carried"]
    assert len(against["chamfer"]) == len(against["floor_chamfer"]) == 3
    gap = 0.1 / found["diag"]
    assert against["largest_above_floor"] == pytest.approx(against["chamfer"][1] - against["floor_chamfer"][1])
    assert against["chamfer"][1] == pytest.approx(gap, rel=0.15)
    assert against["chamfer"][0] - against["floor_chamfer"][0] < 0.2 * gap
    np.testing.assert_allclose(against["area_ratio"], [1.0, 1.21, 1.0], atol=0.04)
    np.testing.assert_allclose(found["area"], against["area_ratio"], rtol=1e-9)
