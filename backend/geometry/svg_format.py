"""SVG: the outlines of its paths and shapes as polylines in the plane, through svgelements; and loops as an SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import svgelements as svg

from backend.geometry.arrays import Float64
from backend.geometry.paths import joined
from backend.geometry.polygons import FormatError
from backend.geometry.shape import Shape

FLATNESS = 1e-4  # of the drawing's diagonal: as far a polyline may be from the curve it stands for
LOOK = np.linspace(0.0, 1.0, 9)  # where a curve's bending is looked at
BORDER = 0.05  # of the longest side: around the loops of an SVG
MOST = 2000  # pieces of one curve


def parse_svg(data: bytes) -> Shape:
    """Every visible outline, in the units of the outermost view box, with y upwards: the negative of the file's y.

    Transforms, groups and uses are applied; curves become polylines (``FLATNESS``). Text and images have no outline.
    """
    try:
        drawing = svg.SVG.parse(io.BytesIO(data), reify=True)
        to_pixels = svg.Matrix(drawing.viewbox_transform)
        outlines = [abs(svg.Path(shape)) for shape in drawing.elements() if isinstance(shape, svg.Shape)]
        subpaths = [list(part) for outline in outlines for part in outline.as_subpaths()]
        size = _size(subpaths)
        paths = [path for part in subpaths if len(path := _flattened(part, FLATNESS * size)) > 1]
    except Exception as error:  # whatever a broken drawing makes of the XML and path parsers
        raise FormatError(f"it cannot be read as SVG ({error}); save it again") from error
    if not paths:
        raise FormatError("there are no paths in it; turn text and strokes into paths, and save it again")
    points, segments = joined(paths)
    # The library scales everything to pixels; the view box's units are those that the artist's own program shows.
    scale = np.array([[to_pixels.a, to_pixels.c], [to_pixels.b, to_pixels.d]])
    own = np.linalg.solve(scale, (points - [to_pixels.e, to_pixels.f]).T).T
    return Shape(np.ascontiguousarray(own * [1.0, -1.0]), segments=segments)


def svg_bytes(loops: Sequence[Float64]) -> bytes:
    """Loops [K, 2], first point = last, as one filled path; it lies over the drawing that a shape was read from.

    What is inside an odd number of loops is filled. ``parse_svg`` gives the same points back, to 9 digits.
    """
    points = np.concatenate([np.zeros((0, 2)), *loops]) * [1.0, -1.0]
    low, high = (points.min(axis=0), points.max(axis=0)) if len(points) else (np.zeros(2), np.ones(2))
    border = BORDER * float((high - low).max())
    corner, size = low - border, high - low + 2.0 * border
    strokes = [" L ".join(f"{x:.9g} {-y:.9g}" for x, y in loop[:-1].tolist()) for loop in loops]
    box = " ".join(f"{number:.9g}" for number in (*corner.tolist(), *size.tolist()))
    path = " ".join(f"M {stroke} Z" for stroke in strokes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">\n'
        f'<path fill-rule="evenodd" fill="#c8c8c8" stroke="#000000" stroke-width="{border / 40.0:.3g}" d="{path}"/>\n'
        "</svg>\n"
    ).encode("ascii")


def _size(subpaths: list[list[svg.PathSegment]]) -> float:
    """Diagonal of the drawing, by the ends of its segments, and the middles of its curves."""
    places = [_at(segment, np.array([0.0, 0.5, 1.0])) for part in subpaths for segment in part if _bent(segment)]
    places += [np.array([[s.end.x, s.end.y]]) for part in subpaths for s in part if s.end is not None]
    return float(np.linalg.norm(np.ptp(np.concatenate(places), axis=0))) if places else 0.0


def _flattened(part: list[svg.PathSegment], flatness: float) -> Float64:
    """The points [K, 2] of a polyline at most ``flatness`` away from one stroke of the pen."""
    start = part[0].start if not isinstance(part[0], svg.Move) else part[0].end
    pieces = [np.array([[start.x, start.y]])]
    for segment in part:
        if isinstance(segment, svg.Move) or segment.end is None:
            continue
        if _bent(segment):
            # A chord over a parameter step h is at most h^2 / 8 |B''| away; B'' by differences, with room for its ends.
            bending = np.linalg.norm(np.diff(_at(segment, LOOK), 2, axis=0), axis=1).max() * 64.0 * 4.0 / 3.0
            n = int(np.clip(np.ceil(np.sqrt(bending / (8.0 * flatness))), 1, MOST)) if flatness > 0.0 else 1
            pieces.append(_at(segment, np.linspace(0.0, 1.0, n + 1)[1:]))
        else:
            pieces.append(np.array([[segment.end.x, segment.end.y]]))
    return np.asarray(np.concatenate(pieces), np.float64)


def _bent(segment: svg.PathSegment) -> bool:
    return isinstance(segment, svg.CubicBezier | svg.QuadraticBezier | svg.Arc)


def _at(segment: svg.PathSegment, places: Float64) -> Float64:
    """Points [K, 2] of a curve at parameters [K]."""
    return np.asarray(segment.npoint(places), np.float64).reshape(-1, 2)
