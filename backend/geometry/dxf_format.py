"""DXF: the lines, arcs, circles, ellipses, splines and points of a drawing, through ezdxf."""

from __future__ import annotations

import io

import numpy as np

from backend.geometry.paths import joined
from backend.geometry.polygons import FormatError
from backend.geometry.shape import Shape

FLATNESS = 1e-4  # of the drawing's diagonal: as far a polyline may be from the curve it stands for
CURVES = frozenset({"LINE", "LWPOLYLINE", "POLYLINE", "ARC", "CIRCLE", "ELLIPSE", "SPLINE", "HELIX"})


def parse_dxf(data: bytes) -> Shape:
    """The curves of the model space in drawing units, blocks resolved; of a drawing of points alone their cloud."""
    from ezdxf import disassemble, path, recover  # half a second; the first time it looks at the system's fonts

    try:
        document, _ = recover.read(io.BytesIO(data))
        entities = list(disassemble.recursive_decompose(document.modelspace()))
        curves = [path.make_path(entity) for entity in entities if entity.dxftype() in CURVES]
        dots = [tuple(entity.dxf.location) for entity in entities if entity.dxftype() == "POINT"]
        curves = [curve for curve in curves if len(curve)]
        box = path.bbox(curves)
        flatness = FLATNESS * (box.size.magnitude if box.has_data else 1.0)
        paths = [np.array([tuple(point) for point in curve.flattening(flatness)], np.float64) for curve in curves]
    except Exception as error:  # whatever a broken drawing makes of the parser
        raise FormatError(f"it cannot be read as DXF ({error}); save it again") from error
    if paths:
        points, segments = joined(paths)
        return Shape(points, segments=segments)
    if not dots:
        raise FormatError("there are no lines, arcs, circles, splines or points in its model space; draw some there")
    return Shape(np.array(dots, np.float64))
