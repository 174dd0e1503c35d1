"""Masks and silhouettes laid over each other: where only one of them is, and where both are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from backend.geometry.arrays import Flags

LONGEST = 640  # pixels: a panel's longer side, at most
SHORTEST = 240  # and its shorter one, at least
GAP = 12  # pixels between and around the panels
LINE = 26  # pixels of a line of text
INK = (50, 54, 62)
MASK_ONLY, SHAPE_ONLY, BOTH = (217, 95, 2), (41, 98, 190), (176, 180, 186)


def difference_picture(mask: Flags, shapes: Mapping[str, Flags], path: Path) -> None:
    """Writes a PNG with a panel for each of ``shapes`` [H, W], by their captions, against the mask [H, W]."""
    panels = [_panel(mask, shape) for shape in shapes.values()]
    width, height = panels[0].size
    whole = max(len(panels) * (width + GAP) + GAP, 420), height + 2 * LINE + 2 * GAP
    sheet = Image.new("RGB", whole, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for number, (caption, panel) in enumerate(zip(shapes, panels, strict=True)):
        left = GAP + number * (width + GAP)
        draw.text((left, GAP + LINE / 2), caption, fill=INK, font=font, anchor="lm")
        sheet.paste(panel, (left, GAP + LINE))
        draw.rectangle((left - 1, GAP + LINE - 1, left + width, GAP + LINE + height), outline=(210, 210, 210))
    legend(draw, (float(GAP), GAP + 1.5 * LINE + height), "mask")
    sheet.save(path, optimize=True)


def legend(draw: ImageDraw.ImageDraw, place: tuple[float, float], wanted: str) -> None:
    """What the colours mean, in a line whose middle begins at ``place``; ``wanted``: what the shape is held against."""
    (at, middle), font = place, ImageFont.load_default(15)
    for colour, words in ((MASK_ONLY, f"{wanted} only"), (SHAPE_ONLY, "shape only"), (BOTH, "both")):
        draw.rectangle((at, middle - 6, at + 12, middle + 6), fill=colour)
        draw.text((at + 18, middle), words, fill=INK, font=font, anchor="lm")
        at += 18 + draw.textlength(words, font=font) + 22


def _panel(mask: Flags, shape: Flags) -> Image.Image:
    colours = np.full((*mask.shape, 3), 255, np.uint8)
    for where, colour in ((mask & ~shape, MASK_ONLY), (shape & ~mask, SHAPE_ONLY), (mask & shape, BOTH)):
        colours[where] = colour
    image = Image.fromarray(colours)
    longer, shorter = max(image.size), min(image.size)
    if longer > LONGEST:
        size = [max(round(side * LONGEST / longer), 1) for side in image.size]
        return image.resize((size[0], size[1]), Image.Resampling.BOX)
    times = max(min(-(-SHORTEST // shorter), LONGEST // longer), 1)
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
