"""Which pixels a mesh covers, and which face is seen at each: hard decisions at the pixels' middles, no gradient.

Every row of pixels meets a triangle in one span, between two of its edges. Spans are few, so a mask is made of their
ends alone: +1 where one begins, -1 behind its last pixel, summed along the row. An edge is always run from its upper to
its lower end, so both faces at it round alike and no pixel is lost between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Spans:
    """Runs of pixels, each in one row of one view and of one triangle."""

    row: Tensor  # [S] int64, of all views' rows, one view after the other
    first: Tensor  # [S] int64, first pixel
    end: Tensor  # [S] int64, one behind the last
    corner: Tensor  # [S] int64, the triangle


def ragged(counts: Tensor) -> tuple[Tensor, Tensor]:
    """For items with ``counts`` [N] parts: the item of every part [P], and its number within the item [P]."""
    item = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    start = torch.cumsum(counts, 0) - counts
    return item, torch.arange(len(item), device=counts.device) - start[item]


def spans_of(corners: Tensor, view: Tensor, width: int, height: int) -> Spans:
    """Spans of triangles with ``corners`` [F, 3, 2] (pixels) in ``view`` [F], those that cover a pixel's middle."""
    order = corners[..., 1].argsort(dim=1, stable=True)
    x, y = (corners[..., k].gather(1, order) for k in (0, 1))  # [F, 3], from the top
    top = (y[:, 0] - 0.5).ceil().clamp(0, height).long()
    bottom = (y[:, 2] - 0.5).floor().clamp(-1, height - 1).long() + 1
    face, step = ragged((bottom - top).clamp(min=0))
    row = top[face] + step
    level = row.to(x.dtype) + 0.5
    x, y = x[face], y[face]
    lower = (level > y[:, 1]).long()[:, None]  # the short side: below the middle corner, or above
    along = _meet(x[:, 0], y[:, 0], x[:, 2], y[:, 2], level)
    (x0, y0), (x1, y1) = [(x.gather(1, lower + k)[:, 0], y.gather(1, lower + k)[:, 0]) for k in (0, 1)]
    across = _meet(x0, y0, x1, y1, level)
    first = (torch.minimum(along, across) - 0.5).ceil().clamp(0, width).long()
    end = (torch.maximum(along, across) - 0.5).floor().clamp(-1, width - 1).long() + 1
    kept = first < end
    return Spans((view[face] * height + row)[kept], first[kept], end[kept], face[kept])


def _meet(x0: Tensor, y0: Tensor, x1: Tensor, y1: Tensor, level: Tensor) -> Tensor:
    """Where edges from (x0, y0) down to (x1, y1) meet the height ``level``, all [S]; within the edge."""
    drop = y1 - y0
    share = ((level - y0) / torch.where(drop > 0.0, drop, 1.0)).clamp(0.0, 1.0)
    return x0 + share * (x1 - x0)


def mask_of(spans: Spans, views: int, width: int, height: int) -> Tensor:
    """Whether any span covers each pixel [B, height, width], bool."""
    changes = torch.zeros(views * height * (width + 1), dtype=torch.int32, device=spans.row.device)
    ones = torch.ones_like(spans.row, dtype=torch.int32)
    changes.index_add_(0, spans.row * (width + 1) + spans.first, ones)
    changes.index_add_(0, spans.row * (width + 1) + spans.end, -ones)
    return changes.view(views, height, width + 1).cumsum(2)[..., :width] > 0


def nearest_face(
    spans: Spans, corners: Tensor, depth: Tensor, views: int, size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Triangle [B, height, width] (-1: none) that is nearest at each pixel's middle, and its depth there (inf: none).

    Of triangles with ``corners`` [F, 3, 2] (pixels) and ``depth`` [F, 3]; ``size`` is width and height. One over the
    depth is linear on the image; of equally near triangles the first is taken.
    """
    width, height = size
    span, step = ragged(spans.end - spans.first)
    face, row = spans.corner[span], spans.row[span]
    column = spans.first[span] + step
    pixel = row * width + column
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]  # [F, 2]
    inverse = 1.0 / depth
    area = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    rise_b, rise_c = inverse[:, 1] - inverse[:, 0], inverse[:, 2] - inverse[:, 0]
    safe = torch.where(area == 0.0, 1.0, area)
    slope_x = (rise_b * ac[:, 1] - rise_c * ab[:, 1]) / safe
    slope_y = (rise_c * ab[:, 0] - rise_b * ac[:, 0]) / safe
    x = column.to(depth.dtype) + 0.5 - corners[face, 0, 0]
    y = (row % height).to(depth.dtype) + 0.5 - corners[face, 0, 1]
    low, high = inverse.amin(1)[face], inverse.amax(1)[face]
    here = inverse[face, 0] + slope_x[face] * x + slope_y[face] * y
    near = torch.maximum(torch.minimum(here, high), low)  # seen edge on, the plane is steep
    best = torch.zeros(views * height * width, dtype=depth.dtype, device=depth.device)
    best.scatter_reduce_(0, pixel, near, "amax")
    wins = near == best[pixel]
    seen = torch.full_like(best, len(corners), dtype=torch.int64)
    seen.scatter_reduce_(0, pixel[wins], face[wins], "amin")
    seen = torch.where(seen < len(corners), seen, -1)
    return seen.view(views, height, width), (1.0 / best).view(views, height, width)
