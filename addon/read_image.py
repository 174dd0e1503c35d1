"""The pixels of an image."""

from __future__ import annotations

import bpy
import numpy as np

from .problem import Problem
from .protocol.mesh import Float32


def read_pixels(image: bpy.types.Image) -> Float32:
    """Values [H, W, channels], as Blender keeps them; the first row is the top. Raises ``Problem`` without any."""
    width, height = image.size
    if image.type in ("RENDER_RESULT", "COMPOSITING"):
        raise Problem(
            f"{image.name!r} cannot be read, it is only shown. Save it as a file with Image > Save As, and choose that."
        )
    if not width or not height:
        raise Problem(f"The image {image.name!r} has no pixels; its file is missing or cannot be read. Load it again.")
    pixels = np.empty(width * height * image.channels, np.float32)
    image.pixels.foreach_get(pixels)  # type: ignore[attr-defined]
    return pixels.reshape(height, width, image.channels)[::-1]  # Blender's first row is the lowest
