"""A picture of a reconstruction: the image, the shape before and after the refinement, and the silhouettes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from backend.evaluation.difference_picture import BOTH, INK, LINE, MASK_ONLY, SHAPE_ONLY, legend
from backend.geometry.arrays import Float64, Int64
from backend.rendering.camera import Camera
from backend.rendering.silhouette import silhouette
from backend.single_view.framing import Pixels, frame_of
from backend.single_view.reconstruct import Reconstructed
from backend.single_view.render import rendered

TILE = 256  # pixels
PAPER = (236, 238, 241)  # behind everything
CAPTIONS = ("the image", "as the encoder tells it", "the result", "their difference")


def write_comparison(path: Path, image: Pixels, found: Reconstructed) -> None:
    """Writes a PNG of four tiles: the image, the shape by the encoder, the result, where silhouettes differ."""
    frame = frame_of(image, TILE)
    camera = frame.camera(found.camera)
    cut = frame.cut(image)
    alpha = cut[..., 3:].astype(np.float64) / 255.0
    tiles = [np.asarray(cut[..., :3] + (1.0 - alpha) * PAPER)]  # the cut's colours are weighed by alpha already
    tiles += [_shaded(*surface, camera) for surface in (found.raw, (found.positions, found.triangles))]
    tiles.append(_overlay(found.positions, found.triangles, camera, alpha))
    pixels = np.concatenate(tiles, axis=1).round().clip(0, 255).astype(np.uint8)
    sheet = Image.new("RGB", (len(tiles) * TILE, TILE + 2 * LINE), PAPER)
    sheet.paste(Image.fromarray(pixels), (0, LINE))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for number, caption in enumerate(CAPTIONS):
        draw.text(((number + 0.5) * TILE, LINE / 2), caption, fill=INK, font=font, anchor="mm")
    legend(draw, (2.8 * TILE, TILE + 1.5 * LINE), "image")
    sheet.save(path, optimize=True)


def _shaded(positions: Float64, triangles: Int64, camera: Camera) -> NDArray[np.float64]:
    picture = rendered(torch.from_numpy(positions).float(), torch.from_numpy(triangles), camera)[0].astype(np.float64)
    alpha = picture[..., 3:] / 255.0
    return np.asarray(alpha * picture[..., :3] + (1.0 - alpha) * PAPER)


def _overlay(positions: Float64, triangles: Int64, camera: Camera, alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colours [S, S, 3] of the silhouette of a shape over that of an image, ``alpha`` [S, S, 1]."""
    with torch.no_grad():
        seen = silhouette(torch.from_numpy(positions).float(), torch.from_numpy(triangles), camera)[0]
    mine = seen.numpy().astype(np.float64)[..., None]
    both, wanted = np.minimum(mine, alpha), np.maximum(alpha - mine, 0.0)
    left_over = np.maximum(mine - alpha, 0.0)
    rest = 1.0 - both - wanted - left_over
    parts = ((both, BOTH), (wanted, MASK_ONLY), (left_over, SHAPE_ONLY), (rest, PAPER))
    return np.asarray(sum(share * np.array(colour, np.float64) for share, colour in parts))
