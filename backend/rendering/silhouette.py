"""Silhouettes of a mesh that say how they change with its vertices; depth and normals that do not.

A pixel far from the outline is covered or not, without gradient. Within half a pixel of it, the coverage is 1/2 plus
the distance to the outline, less where the pixel's middle is outside: a ramp of one pixel that moves with the outline's
edges, and through which all of the gradient goes. It is the edge-based counterpart of the silhouettes of Kato et al.
(CVPR 2018): as exact as the hard mask, and nothing inside of the shape is softened.

The ramp is one pixel wide along a row or a column of pixels, whichever crosses the outline more squarely, not along the
outline's normal. So each of them has exactly one pixel in the ramp, and the gradient does not depend on where the
outline lies between the pixels; with the normal, its scatter is up to three times as large.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from backend.rendering.camera import NEAR, Camera
from backend.rendering.raster import mask_of, nearest_face, ragged, spans_of

BORDER = 1  # pixel around the image that is looked at, too: an outline just outside of it is known as one
RAMP = 0.5  # pixels on either side of the outline, along the image's axis that is nearer to its normal
BESIDE = 0.75  # pixels from the outline at which it is looked whether anything else covers; beyond a pixel's diagonal
REACH = 0.7072  # pixels along an axis at which a point within the ramp can be from its line, at most


@dataclass(frozen=True, eq=False)
class Seen:
    """What every pixel's middle sees."""

    face: Tensor  # [B, height, width] int64, -1 where nothing
    depth: Tensor  # [B, height, width], along the view, object space; inf where nothing
    normal: Tensor  # [B, height, width, 3], of the face, object space, unit, to the camera; 0 where nothing


def silhouette(positions: Tensor, triangles: Tensor, camera: Camera) -> Tensor:
    """Coverage [B, height, width] in 0..1 of a mesh, with gradients to its vertices.

    ``positions`` [V, 3], or [B, V, 3] for another shape in each view; ``triangles`` [T, 3] int64, however oriented,
    closed or open. Faces that reach behind the camera's plane are left out; an image that sees nothing is 0.
    """
    placed = camera.place(positions)
    pixels = camera.project(placed) + BORDER
    width, height = camera.width + 2 * BORDER, camera.height + 2 * BORDER
    with torch.no_grad():
        view, face = _in_front(placed, triangles)
        corners = pixels[view[:, None], triangles[face]]  # [F, 3, 2]
        covered = mask_of(spans_of(corners, view, width, height), len(camera), width, height)
        ends, outwards = _contours(pixels, triangles, view, face)
        pairs = _ramp_pairs(pixels.reshape(-1, 2), ends, outwards, covered)
    flat = pixels.reshape(-1, 2)
    foot = flat[pairs.ends[:, 0]] * (1.0 - pairs.share) + flat[pairs.ends[:, 1]] * pairs.share  # [P, 2]
    ramp = 0.5 + ((foot - pairs.middle) * pairs.normal).sum(dim=1) / pairs.width
    image = covered.to(positions.dtype).reshape(-1).index_put((pairs.pixel,), ramp)
    image = image.view(len(camera), height, width)
    return image[:, BORDER:-BORDER, BORDER:-BORDER]


@torch.no_grad()
def seen(positions: Tensor, triangles: Tensor, camera: Camera) -> Seen:
    """Faces, depth and normals that each pixel's middle sees; arguments as of ``silhouette``."""
    placed = camera.place(positions)
    view, face = _in_front(placed, triangles)
    chosen = triangles[face]
    corners, depth = camera.project(placed)[view[:, None], chosen], placed[view[:, None], chosen, 2]
    size = camera.width, camera.height
    spans = spans_of(corners, view, *size)
    number, depths = nearest_face(spans, corners, depth, len(camera), size)
    points = positions.expand(len(camera), -1, -1)[view[:, None], chosen]  # [F, 3, 3]
    normals = torch.linalg.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
    normals = torch.nn.functional.normalize(normals, dim=1, eps=1e-30)
    matrix = torch.linalg.inv(positions.new_tensor(camera.world_to_camera))
    away = ((points[:, 0] - matrix[view, :3, 3]) * normals).sum(dim=1, keepdim=True) > 0.0
    normals = torch.cat([torch.where(away, -normals, normals), normals.new_zeros(1, 3)])  # the last for nothing
    faces = torch.cat([face, face.new_full((1,), -1)])
    return Seen(faces[number], depths, normals[number])


def _in_front(placed: Tensor, triangles: Tensor) -> tuple[Tensor, Tensor]:
    """View and face, [F] each, of all faces that are wholly before the camera of a view."""
    view, face = (placed[..., 2] > NEAR)[:, triangles].all(dim=2).nonzero(as_tuple=True)
    return view, face


def _contours(pixels: Tensor, triangles: Tensor, view: Tensor, face: Tensor) -> tuple[Tensor, Tensor]:
    """Edges whose faces in view all lie on one side of them on the image.

    Ends [C, 2], numbers of projected vertices of all views, and the direction away from the faces [C, 2], unit. Of a
    mesh seen as a whole, its outline is made of such edges alone.
    """
    n_vertices = pixels.shape[1]
    corner = triangles[face] + (view * n_vertices)[:, None]  # [F, 3]
    a, b, c = pixels.reshape(-1, 2)[corner].unbind(1)
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])  # [F]
    start, end = corner.T.reshape(-1), corner[:, [1, 2, 0]].T.reshape(-1)  # [3 F]
    low, high = torch.minimum(start, end), torch.maximum(start, end)
    side = torch.where(start < end, 1.0, -1.0) * area.repeat(3).sign()  # of the face, seen from low to high
    keys, order = (low * pixels.shape[0] * n_vertices + high).sort()
    first = torch.ones_like(keys, dtype=torch.bool)
    first[1:] = keys[1:] != keys[:-1]
    edge = first.cumsum(0) - 1  # [3 F]
    count = int(edge[-1]) + 1 if len(edge) else 0
    ordered = side[order]
    on_left, on_right = torch.zeros(2, count, dtype=torch.bool, device=side.device)
    on_left[edge[ordered > 0.0]] = True
    on_right[edge[ordered < 0.0]] = True
    contour = on_left ^ on_right
    chosen = order[first][contour]
    ends = torch.stack([low[chosen], high[chosen]], dim=1)
    along = pixels.reshape(-1, 2)[ends].diff(dim=1)[:, 0]
    along = torch.nn.functional.normalize(along, dim=1, eps=1e-30)
    left = torch.stack([-along[:, 1], along[:, 0]], dim=1)
    return ends, torch.where(on_left[contour][:, None], -left, left)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pixels in the ramp, each with the nearest point of the outline."""

    pixel: Tensor  # [P] int64, of all views' pixels
    middle: Tensor  # [P, 2], pixels
    ends: Tensor  # [P, 2] int64, projected vertices of the edge
    share: Tensor  # [P, 1], of the second end in the nearest point
    normal: Tensor  # [P, 2], unit, from the shape outwards
    width: Tensor  # [P], of the ramp along the normal, pixels


def _ramp_pairs(flat: Tensor, ends: Tensor, outwards: Tensor, covered: Tensor) -> _Pairs:
    """The pixels within ``RAMP`` of an edge between projected vertices ``flat`` [B V, 2] that is on the outline.

    An edge with something covered behind it is none of the outline: seen from a covered pixel, the point ``BESIDE`` it
    must be free. From a pixel that is not covered, the nearest edge always is.
    """
    views, height, width = covered.shape
    edge, view, middle = _near_pixels(flat, ends, views, width, height)
    start, end = flat[ends[edge, 0]], flat[ends[edge, 1]]
    along = end - start
    length = (along * along).sum(dim=1, keepdim=True)
    share = ((middle - start) * along).sum(dim=1, keepdim=True) / length.clamp(min=1e-20)
    share = share.clamp(0.0, 1.0)
    foot = start + share * along
    offset = foot - middle
    distance = offset.norm(dim=1)
    column, row = middle.floor().long().unbind(1)
    pixel = (view * height + row) * width + column
    inside = covered.reshape(-1)[pixel]
    turned = offset * torch.where(inside, 1.0, -1.0)[:, None]
    normal = torch.where(distance[:, None] > 1e-6, turned / distance.clamp(min=1e-6)[:, None], outwards[edge])
    beyond = (foot + BESIDE * normal).floor().long()
    beyond_column, beyond_row = beyond[:, 0].clamp(0, width - 1), beyond[:, 1].clamp(0, height - 1)
    free = ~covered.reshape(-1)[(view * height + beyond_row) * width + beyond_column]
    wide = normal.abs().amax(dim=1)
    kept = ((distance < RAMP * wide) & (free | ~inside)).nonzero()[:, 0]
    pixel, distance = pixel[kept], distance[kept] / wide[kept]
    nearest = distance.new_full((covered.numel(),), torch.inf).scatter_reduce_(0, pixel, distance, "amin")
    wins = (distance == nearest[pixel]).nonzero()[:, 0]
    number = torch.full_like(nearest, len(kept), dtype=torch.int64).scatter_reduce_(0, pixel[wins], wins, "amin")
    kept = kept[number[number < len(kept)]]
    pixel = (number < len(distance)).nonzero()[:, 0]
    return _Pairs(pixel, middle[kept], ends[edge[kept]], share[kept], normal[kept], wide[kept])


def _near_pixels(flat: Tensor, ends: Tensor, views: int, width: int, height: int) -> tuple[Tensor, Tensor, Tensor]:
    """Edge, view and middle ([N], [N], [N, 2]) of all pixels that may be within ``RAMP`` of an edge.

    Walks every edge along its longer axis; at each step, only two pixels across can be near enough.
    """
    size = flat.new_tensor([width, height])
    start, end = flat[ends[:, 0]], flat[ends[:, 1]]
    major = (end - start).abs().argmax(dim=1, keepdim=True)  # [C, 1], 0: x
    a, b = start.gather(1, major)[:, 0], end.gather(1, major)[:, 0]
    limit = size[major[:, 0]]
    low = (torch.minimum(a, b) - RAMP - 0.5).ceil().clamp(min=0.0).minimum(limit).long()
    high = (torch.maximum(a, b) + RAMP - 0.5).floor().clamp(min=-1.0).minimum(limit - 1).long() + 1
    edge, step = ragged((high - low).clamp(min=0))
    level = (low[edge] + step).to(flat.dtype) + 0.5
    start, end, major = start[edge], end[edge], major[edge]
    a, drop = start.gather(1, major)[:, 0], (end - start).gather(1, major)[:, 0]
    share = ((level - a) / torch.where(drop == 0.0, 1.0, drop)).clamp(0.0, 1.0)
    across = (start + share[:, None] * (end - start)).gather(1, 1 - major)[:, 0]
    first = (across - REACH - 0.5).ceil()
    middle = torch.stack([torch.stack([level, first + k + 0.5], dim=1) for k in (0, 1)], dim=1)  # [N, 2, 2]
    middle = torch.where(major[:, None] == 0, middle, middle.flip(2)).reshape(-1, 2)
    edge = edge.repeat_interleave(2)
    within = ((middle > 0.0) & (middle < size)).all(dim=1).nonzero()[:, 0]
    edge = edge[within]
    view = ends[edge, 0] // (len(flat) // views)
    return edge, view, middle[within]
