"""The colours of a match."""

from __future__ import annotations

import numpy as np

from protocol.match_colours import DOUBTED, ColourField, match_colours
from protocol.mesh import MeshData
from tests.meshes import grid, icosphere


def test_colourful_everywhere_and_neighbours_alike() -> None:
    ball = icosphere(3)
    colours = ColourField(ball.positions())(ball.positions())
    assert colours.min() >= 0.0
    assert colours.max() <= 1.0
    assert np.ptp(colours, axis=1).min() > 0.1
    ends = ball.triangles()[:, :2]
    assert np.linalg.norm(colours[ends[:, 0]] - colours[ends[:, 1]], axis=1).max() < 0.25


def test_the_source_has_the_colours_of_its_points() -> None:
    ball = icosphere(2)
    points = ball.positions()[::-1].copy()
    known = np.ones(len(points), bool)
    known[3] = False
    points[3] = np.nan
    confidence = np.ones(len(points))
    confidence[5] = DOUBTED[0]
    confidence[6] = sum(DOUBTED) / 2
    source, target = match_colours(ball, points, known, confidence)
    sure = np.setdiff1d(np.arange(len(points)), [3, 5, 6])
    assert np.allclose(source[sure], target[::-1][sure])
    assert np.ptp(source[[3, 5]], axis=1).max() == 0.0  # grey, and another one without a counterpart
    assert source[3, 0] < source[5, 0]
    assert np.allclose(source[6], (target[::-1][6] + source[5]) / 2)


def test_a_flat_target_and_a_loose_vertex() -> None:
    """A plane has no third axis, and what has no face does not stretch the colours."""
    flat = grid(8)
    confidence = np.ones(flat.n_vertices)
    colours = match_colours(flat, flat.positions(), confidence > 0, confidence)[1]
    assert np.isfinite(colours).all()
    assert np.ptp(colours, axis=0).min() > 0.2
    positions = np.concatenate([flat.positions(), [[1e4, 0.0, 0.0]]])
    loose = MeshData.from_positions(positions, flat.face_offsets, flat.face_indices)
    confidence = np.ones(loose.n_vertices)
    assert np.allclose(match_colours(loose, positions, confidence > 0, confidence)[1][:-1], colours)
