from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.evaluation.difference_picture import BOTH, MASK_ONLY, SHAPE_ONLY, difference_picture
from backend.guidance.mask_file import read_mask
from backend.rendering.camera_file import LARGEST_SIDE
from protocol.settings import SettingError

COVERAGE = np.array([[0, 51, 255], [255, 0, 0]], np.uint8)


def saved(folder: Path, array: np.ndarray, mode: str | None = None, name: str = "mask.png") -> Path:
    image = Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(folder / name)
    return folder / name


def test_greyscale_is_coverage(tmp_path: Path) -> None:
    np.testing.assert_allclose(read_mask(saved(tmp_path, COVERAGE)), COVERAGE / 255.0, atol=1e-6)
    deep = (COVERAGE.astype(np.uint16) * 257).astype(np.uint16)
    np.testing.assert_allclose(read_mask(saved(tmp_path, deep)), COVERAGE / 255.0, atol=1e-6)
    plain = np.where(COVERAGE > 128, 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(read_mask(saved(tmp_path, plain, "1")), plain / 255)


def test_alpha_is_coverage_whatever_the_colour(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (2, 3, 4)).astype(np.uint8)
    pixels[..., 3] = COVERAGE
    np.testing.assert_allclose(read_mask(saved(tmp_path, pixels)), COVERAGE / 255.0, atol=1e-6)
    np.testing.assert_allclose(read_mask(saved(tmp_path, pixels, "LA")), COVERAGE / 255.0, atol=1e-6)


def test_black_and_white_in_colour_is_brightness(tmp_path: Path) -> None:
    plain = np.zeros((40, 40), np.uint8)
    plain[10:30, 10:30] = 255
    plain[10, 10:30] = 100  # a softened edge
    colour = np.repeat(plain[..., None], 3, axis=2)
    opaque = np.concatenate([colour, np.full((40, 40, 1), 255, np.uint8)], axis=2)
    for array, mode in ((colour, None), (opaque, None), (colour, "P")):
        np.testing.assert_allclose(read_mask(saved(tmp_path, array, mode)), plain / 255.0, atol=0.01)


def test_images_that_are_no_masks_are_told(tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (20, 20, 3)).astype(np.uint8)
    with pytest.raises(SettingError, match="coloured image without transparency"):
        read_mask(saved(tmp_path, photo))
    grey = np.repeat(photo[..., :1], 3, axis=2)
    with pytest.raises(SettingError, match="coloured image without transparency"):
        read_mask(saved(tmp_path, grey))
    with pytest.raises(SettingError, match="real numbers"):
        read_mask(saved(tmp_path, photo[..., 0].astype(np.float32), name="mask.tiff"))
    (tmp_path / "text.png").write_text("this is no image")
    with pytest.raises(SettingError, match="no image that can be read"):
        read_mask(tmp_path / "text.png")
    whole = saved(tmp_path, photo, name="whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SettingError, match=r"cut\.png"):
        read_mask(tmp_path / "cut.png")
    with pytest.raises(SettingError, match="No such file"):
        read_mask(tmp_path / "missing.png")
    wide = saved(tmp_path, np.zeros((1, LARGEST_SIDE + 1), np.uint8), name="wide.png")
    with pytest.raises(SettingError, match="larger than"):
        read_mask(wide)


def test_the_picture_has_what_is_only_in_one(tmp_path: Path) -> None:
    mask, shape = np.zeros((2, 60, 80), bool)
    mask[10:50, 10:50] = True
    shape[10:50, 30:70] = True
    difference_picture(mask, {"before": shape, "after": mask}, tmp_path / "d.png")
    with Image.open(tmp_path / "d.png") as picture:
        colours = {colour: count for count, colour in picture.convert("RGB").getcolors(1 << 20)}
    assert colours[MASK_ONLY] == pytest.approx(colours[SHAPE_ONLY], rel=0.05)
    assert colours[BOTH] > 2.5 * colours[MASK_ONLY]
    difference_picture(np.ones((3000, 2000), bool), {"only": np.ones((3000, 2000), bool)}, tmp_path / "large.png")
    with Image.open(tmp_path / "large.png") as picture:
        assert picture.height < 800
