"""Masks from image files: how much of each pixel the shape covers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from backend.geometry.arrays import Float32
from backend.rendering.camera_file import LARGEST_SIDE
from protocol.settings import SettingError

GREY = 3  # of 255: colours that differ by no more are grey
CLEAR = 8  # of 255: what is no further from black or white is one of them
PLAIN = 0.9  # share of the pixels that are black or white in a mask without alpha


def read_mask(path: Path) -> Float32:
    """Coverage [H, W] in 0..1: the alpha of an image that has one, else its brightness.

    Brightness counts in greyscale images, and in coloured ones that are black and white but for their edges. Raises
    ``SettingError``.
    """
    try:
        with Image.open(path) as image:
            if max(image.size) > LARGEST_SIDE:
                raise SettingError(f"the mask {path} is larger than {LARGEST_SIDE} pixels; make it smaller")
            image.load()
            return np.ascontiguousarray(_coverage(image, path), np.float32)
    except SettingError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SettingError(f"the mask {path} is too large an image; make it smaller") from error
    except OSError as error:
        reason = error.strerror or "no image that can be read"
        raise SettingError(f"the mask {path} cannot be read ({reason}); give a PNG image") from error
    except (ValueError, SyntaxError, EOFError) as error:
        raise SettingError(f"the mask {path} is a damaged image ({error}); save it again") from error


def _coverage(image: Image.Image, path: Path) -> Float32:
    if image.mode == "1":
        return np.asarray(image, np.float32)
    if image.mode == "L":
        return np.asarray(image, np.float32) / 255.0
    if image.mode.startswith("I"):
        return np.clip(np.asarray(image, np.float32) / 65535.0, 0.0, 1.0)
    if image.mode == "F":
        raise SettingError(f"the mask {path} has real numbers as pixels; save it as an 8-bit greyscale or RGBA image")
    pixels = np.asarray(image.convert("RGBA"), np.float32)  # [H, W, 4]
    if pixels[..., 3].min() < 255.0:
        return np.asarray(pixels[..., 3] / 255.0)
    return _brightness(pixels[..., :3], path)


def _brightness(colours: Float32, path: Path) -> Float32:
    """Of an image [H, W, 3] in black and white."""
    bright = colours.mean(axis=2)
    plain = (bright <= CLEAR) | (bright >= 255 - CLEAR)
    if np.ptp(colours, axis=2).max() > GREY or plain.mean() < PLAIN:
        raise SettingError(
            f"the mask {path} is a coloured image without transparency, so it does not say what is the shape; save it "
            "with a transparent background (RGBA), or white on black"
        )
    return np.asarray(bright / 255.0)
