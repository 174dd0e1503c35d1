"""Pictures of fields: the shape is where it belongs, lines are on the levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from backend.evaluation.field_picture import LINE, write_field_picture
from backend.evaluation.render import Quality
from backend.surfaces.queries.contour import contours
from backend.surfaces.queries.isosurface import isosurface
from tests.surfaces.analytic import balls, ring

QUICK = Quality(per_axis=1, occlusion=4)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), int)


def warm(image: np.ndarray) -> np.ndarray:
    """Pixels [H, W] in the colour of the inside."""
    return image[:, :, 0] > image[:, :, 2] + 10


def test_curves_in_the_plane(tmp_path: Path) -> None:
    """Two discs, the larger one on the lower left."""
    field = balls((0, 0, 1.0), (3, 2, 0.5))
    loops = contours(field, 0.0, 200)
    write_field_picture(tmp_path / "a.png", field, loops, area=300 * 200)
    image = pixels(tmp_path / "a.png")
    height, width = image.shape[:2]
    assert abs(height * width - 300 * 200) < 0.01 * 300 * 200
    low, high = np.array([-1, -1]) - 0.12 * 4.5, np.array([3.5, 2.5]) + 0.12 * 4.5
    share = np.pi * 1.25 / np.prod(high - low)
    assert abs(warm(image).mean() - share) < 0.03
    rows, columns = np.nonzero(warm(image))
    left = columns < width / 2
    assert rows[left].mean() > rows[~left].mean()  # y is upwards
    dark = np.abs(image - LINE).sum(axis=2) < 60
    rows, columns = np.nonzero(dark)
    places = np.stack([columns + 0.5, height - rows - 0.5], axis=1) / [width, height] * (high - low) + low
    assert np.abs(field.values(places)).max() < 0.05
    assert len(rows) > 300
    write_field_picture(tmp_path / "none.png", field, [], area=100 * 100)
    assert (np.abs(pixels(tmp_path / "none.png") - LINE).sum(axis=2) > 60).all()


def test_a_surface_beside_a_cut(tmp_path: Path) -> None:
    field = ring()
    write_field_picture(tmp_path / "a.png", field, isosurface(field, 0.0, 48), area=200 * 200, quality=QUICK)
    image = pixels(tmp_path / "a.png")
    height = image.shape[0]
    cut = image[:, -height:]  # across the shortest side of the torus it is square: a disc with a hole
    assert warm(cut)[height // 2, height // 2] == np.False_
    low = 2 * 2.7 * (0.5 + 0.12)
    assert abs(warm(cut).mean() - np.pi * (2.7**2 - 1.3**2) / (2 * low) ** 2) < 0.03
    write_field_picture(tmp_path / "b.png", field, (np.zeros((0, 3)), np.zeros((0, 3), np.int64)), area=100 * 100)
    assert pixels(tmp_path / "b.png").shape == (100, 100, 3)
