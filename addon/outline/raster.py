"""Outlines as masks: which pixels a shape covers, at the middles of pixels or of parts of them. Needs numpy alone.

Pixels are counted from the top left corner of the image; the middle of the first one lies at (0.5, 0.5). Every edge
changes the winding number of what lies to the right of it in its rows, so a mask is a running sum along each row. An
edge is always run from its upper to its lower end: two faces that share it round alike, and nothing is lost between.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]  # [N, 2], pixels
Mask = NDArray[np.bool_]  # [H, W]


def triangles_mask(corners: NDArray[np.float64], width: int, height: int) -> Mask:
    """What triangles with ``corners`` [T, 3, 2] cover, however oriented."""
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    back = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0] < 0.0
    turned = np.where(back[:, None, None], corners[:, ::-1], corners)  # all one way round, so that none cancel
    return np.asarray(winding(turned.reshape(-1, 2), turned[:, [1, 2, 0]].reshape(-1, 2), width, height) != 0)


def loops_mask(loops: Sequence[Points], width: int, height: int) -> Mask:
    """What closed lines enclose. One that lies within another is a hole, one within that is filled again, and so on;
    those that cross are one area."""
    canvas = np.zeros((height, width), bool)
    ordered = sorted((loop for loop in loops if len(loop) > 2), key=lambda loop: -abs(area(loop)))
    depths = [sum(encloses(other, loop) for other in ordered[:index]) for index, loop in enumerate(ordered)]
    for index in sorted(range(len(ordered)), key=lambda index: depths[index]):
        loop = ordered[index]
        low = np.clip(np.floor(loop.min(axis=0)), 0, (width, height)).astype(int)
        high = np.clip(np.ceil(loop.max(axis=0)), 0, (width, height)).astype(int)
        part = canvas[low[1] : high[1], low[0] : high[0]]
        shifted = loop - low
        part[winding(shifted, np.roll(shifted, -1, axis=0), *(high - low)) != 0] = depths[index] % 2 == 0
    return canvas


def winding(start: Points, end: Points, width: int, height: int) -> NDArray[np.int64]:
    """How often edges from ``start`` [E, 2] to ``end`` [E, 2] go round the middle of each pixel [height, width]."""
    downwards = start[:, 1] < end[:, 1]
    upper, lower = np.where(downwards[:, None], (start, end), (end, start))
    top, bottom = (np.clip(np.ceil(y - 0.5), 0, height).astype(np.int64) for y in (upper[:, 1], lower[:, 1]))
    counts = bottom - top
    edge = np.repeat(np.arange(len(counts)), counts)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts) + top[edge]
    drop = (lower - upper)[edge]
    share = (row + 0.5 - upper[edge, 1]) / drop[:, 1]
    across = upper[edge, 0] + share * drop[:, 0]
    column = np.clip(np.ceil(across - 0.5), 0, width).astype(np.int64)  # behind the last one: none is to the right
    changes = np.bincount(
        row * (width + 1) + column, np.where(downwards[edge], 1.0, -1.0), minlength=height * (width + 1)
    )
    return changes.reshape(height, width + 1).astype(np.int64).cumsum(axis=1)[:, :width]


def area(loop: Points) -> float:
    """Of a closed line [N, 2], pixels; negative where it runs the other way round."""
    after = np.roll(loop, -1, axis=0)
    return float((loop[:, 0] * after[:, 1] - loop[:, 1] * after[:, 0]).sum()) / 2.0


def encloses(outer: Points, inner: Points) -> bool:
    """Whether all points of the closed line ``inner`` [M, 2] are within ``outer`` [N, 2]."""
    if (inner.min(axis=0) < outer.min(axis=0)).any() or (inner.max(axis=0) > outer.max(axis=0)).any():
        return False
    start, end = outer, np.roll(outer, -1, axis=0)
    level = inner[:, 1, None]  # [M, 1]
    crosses = (start[:, 1] <= level) != (end[:, 1] <= level)  # [M, N]
    drop = np.where(start[:, 1] == end[:, 1], 1.0, end[:, 1] - start[:, 1])
    across = start[:, 0] + (level - start[:, 1]) / drop * (end[:, 0] - start[:, 0])
    sides = np.where(crosses & (across > inner[:, 0, None]), np.where(start[:, 1] < end[:, 1], 1, -1), 0)
    return bool((sides.sum(axis=1) != 0).all())


def averaged(fine: NDArray[np.generic], width: int, height: int) -> NDArray[np.float64]:
    """An image [H, W] at a smaller size: the mean over the area that each of the new pixels has, also of parts."""
    return _averaged_rows(_averaged_rows(fine.astype(np.float64), height).T, width).T


def _averaged_rows(image: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    total = np.concatenate([np.zeros((1, image.shape[1])), image.cumsum(axis=0)])  # up to each border of rows
    borders = np.linspace(0.0, len(image), count + 1)
    below = np.minimum(borders.astype(np.int64), len(image) - 1)
    part = (borders - below)[:, None]
    sums = total[below] * (1.0 - part) + total[below + 1] * part
    return np.asarray(np.diff(sums, axis=0) * (count / len(image)))


def iou(wanted: NDArray[np.generic], found: NDArray[np.generic]) -> float:
    """Shared area over the area of both, of two images [H, W] in 0..1; 1 where both are empty."""
    both, either = np.minimum(wanted, found).sum(), np.maximum(wanted, found).sum()
    return float(both / either) if either else 1.0
