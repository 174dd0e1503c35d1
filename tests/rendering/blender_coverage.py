"""For scripts in Blender's Python: what of an image a scene covers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

SAMPLES = 16  # a pixel


def set_up_render() -> None:
    """The scene renders its coverage, exactly and quickly."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = SAMPLES
    scene.cycles.use_adaptive_sampling = scene.cycles.use_denoising = False
    scene.cycles.max_bounces = 0
    scene.cycles.pixel_filter_type = "BOX"
    scene.cycles.filter_width = 1.0
    scene.render.film_transparent = True
    scene.render.threads_mode, scene.render.threads = "FIXED", 1
    scene.render.image_settings.file_format = "OPEN_EXR"


def rendered(facts: dict[str, Any], path: Path) -> NDArray[np.float32]:
    """The coverage [H, W] of the scene's image, which has the size that ``facts`` names; ``path`` of a file for it."""
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(str(path))
    pixels = np.empty(facts["width"] * facts["height"] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(facts["height"], facts["width"], 4)[::-1, :, 3]
