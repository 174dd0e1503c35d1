"""What ``bench`` measures of MeshSDF: every figure is of what it says; how large it is, is for the command to say."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.commands.bench.following import Following, follow, measure_following, path_of
from backend.commands.bench.outlines import BOTH, Guided, bent, matched_rows, outlines
from backend.commands.bench.pairs import SHIPPED
from backend.commands.bench.silhouettes import measure_silhouettes
from backend.commands.bench.single_view import single_view_section
from backend.geometry.isosurface import Function
from backend.geometry.tracked_surface import REFRESH
from backend.guidance.refine import RefineSettings
from backend.methods.method import Morph
from backend.pipeline import train
from backend.training.run import Run
from tests.meshes import icosphere
from tests.methods.conftest import request_for
from tests.one_thread import one_thread as one_thread


def ball(code: NDArray[np.float64]) -> Function:
    return lambda points: np.linalg.norm(points - [code[1], 0.0, 0.0], axis=1) - code[0]


def test_followed_extractions_are_told_from_refreshes() -> None:
    codes = path_of([0, 10, 23], [[0.3, 0.0], [0.4, 0.2], [0.5, 0.3]])
    assert codes.shape == (24, 2)
    np.testing.assert_allclose(codes[[0, 5, 10, 23]], [[0.3, 0.0], [0.35, 0.1], [0.4, 0.2], [0.5, 0.3]])
    found = follow(ball, codes, 24, 10)
    refreshes = -(-24 // REFRESH)
    assert (len(found.refreshed), len(found.followed), len(found.whole)) == (refreshes, 24 - refreshes, 4)
    assert (found.ghosts, found.same) == (0, True)
    (figure,) = measure_following(ball, codes, ((24, 12, "much"),))
    assert f"{refreshes} refreshes" in figure.value
    assert "0 ghosts; the last mesh the same" in figure.value


def test_the_ratios() -> None:
    found = Following(followed=[1.0, 1.0], refreshed=[10.0], whole=[12.0, 8.0])
    assert found.ratio == 2.5
    assert found.ratio_apart == 10.0


def test_a_silhouette_at_every_size() -> None:
    mesh = icosphere(2, 0.8)
    figures = measure_silhouettes(mesh.positions(), mesh.triangles().astype(np.int64), 1, ((32, "little"), (64, "")))
    assert [figure.reach for figure in figures] == ["little", ""]
    assert "320 faces at 32 x 32" in figures[0].what
    assert all(figure.value.endswith(" CPU ms") for figure in figures)


@pytest.fixture(scope="module")
def growing() -> Morph:
    """A longish ball that grows with its own faces, away from the origin."""
    mesh = icosphere(3)
    first = mesh.with_positions(mesh.positions() * [2.0, 1.0, 0.8] + np.array([5.0, 0.0, -3.0]))
    return train(request_for((first, first.with_positions(1.2 * first.positions())), "linear"), Run()).morph


def test_a_bent_frame_is_seen_and_matched(growing: Morph) -> None:
    frame = growing.frame(0.4)
    size, changed = (np.ptp(mesh.positions(), axis=0) for mesh in (frame, bent(frame)))
    assert changed[0] == pytest.approx(1.1 * size[0])
    assert changed[2] == pytest.approx(size[2])
    for view in outlines(frame, (0.0, 70.0)):
        assert 0.05 < view.mask.mean() < 0.5
        assert not view.mask[[0, -1]].any()
        assert not view.mask[:, [0, -1]].any()
    rows = matched_rows(Guided(SHIPPED, "linear", "keep", BOTH), growing, RefineSettings(side=128), lambda _: None)
    assert [row[4] for row in rows] == ["1", "2"]
    for row in rows:
        assert max(map(float, row[5].split())) < 0.95 < min(map(float, row[6].split()))
        assert row[7] == "yes"


def test_the_section_of_single_views() -> None:
    def kind(value: float, beaten: int) -> dict[str, object]:
        scores = {name: {"median": value, "mean": 2 * value} for name in ("chamfer", "distance", "normals")}
        return scores | {"beaten": beaten}

    summary = {
        **{"shapes": 20, "improvement_percent": 25.04, "iou_before": 0.9, "iou": 0.96},
        **{"raw": kind(0.8, 17), "refined": kind(0.6, 0), "nearest": kind(0.7, 12)},
    }
    text = single_view_section(200, summary, {"shapes": 30.2, "training": 300.0})
    assert text.startswith("## Single view\n")
    assert "| as the encoder tells it | 0.8 | 0.8 | 0.8 | 17 of 20 |" in text
    assert "| refined by the silhouette | 0.6 | 0.6 | 0.6 |  |" in text
    assert "| refinement lowers the median Chamfer by | 25.0 % | 20 % |" in text
    assert "| the refined beside the nearest trained shape | 0.6 to 0.7 | less |" in text
    assert "shapes 30, training 300" in text
