"""What ``fit`` leaves in its folder besides the checkpoints, and what it says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backend.commands.output import FIELD
from backend.commands.progress import Progress
from backend.evaluation.field_picture import write_field_picture
from backend.geometry.io import write_ply
from backend.geometry.shape import Shape
from backend.geometry.svg_format import svg_bytes
from backend.memory import peak_memory
from backend.pipeline import versions
from backend.surface_fit import Fitted
from backend.surfaces.dataset import Dataset
from backend.surfaces.fragments import whole_surface
from backend.surfaces.measures import Level, measure
from backend.surfaces.queries.contour import contours
from protocol.mesh import MeshData

CELLS = {2: 1024, 3: 128}  # along the longest side, by the dimension, where nothing else is asked for


def write_result(
    folder: Path,
    fitted: Fitted,
    shape: Shape | Dataset,
    resolution: int | None,
    facts: dict[str, Any],
    progress: Progress,
) -> dict[str, Any]:
    """Writes the field, its surface or curve and a picture; the report, with ``facts`` and the measures."""
    field = fitted.field
    (folder / "field.safetensors").write_bytes(field.to_bytes())
    cells = resolution or CELLS[field.dimension]
    progress("extracting")
    level: Level
    if field.dimension == 3:
        positions, triangles = whole_surface(field, shape if isinstance(shape, Shape) else None, cells)
        level, count = (positions, triangles), len(triangles)
        if count:
            write_ply(folder / "surface.ply", MeshData.from_triangles(positions, triangles))
    else:
        level = contours(field, field.level, cells)
        count = len(level)
        if count:
            (folder / "curve.svg").write_bytes(svg_bytes(level))
    warnings = list(fitted.report["warnings"])
    if not count:
        warnings.append("the field has no surface: the training was too short, or has failed; train for longer")
    progress("drawing")
    write_field_picture(folder / "picture.png", field, level)
    progress("measuring")
    measures = measure(field, fitted.data if fitted.data.shape is not None else shape, surface=level)
    return {
        "result": FIELD.result,
        "versions": versions(),
        **fitted.report,
        **facts,
        "warnings": warnings,
        "resolution": cells,
        "metrics": measures,
        "peak_memory_bytes": peak_memory(),
    }


def summary(out: Path, report: dict[str, Any]) -> str:
    """What a person wants to know of a fit."""
    lines = [f"warning: {warning}" for warning in report["warnings"]]
    lines += [f"input: {sentence}" for sentence in report["said"]]
    if report["interrupted"]:
        lines.append("stopped while training; what was done is kept, and --checkpoint latest goes on with it")
    lines += _measured(report["metrics"])
    lines.append(f"{report['mode']} field by {report['method']} in {report['seconds']:.1f} s: {out}")
    return "\n".join(lines) + "\n"


def _measured(found: dict[str, Any]) -> list[str]:
    """The measures in words."""
    parts = []
    if found["chamfer_percent"] is not None:
        parts.append(f"{found['chamfer_percent']:.3g} % of the diagonal from the input on average")
    elif found["from_shape_percent"] is not None:
        parts.append(f"{found['from_shape_percent']:.3g} % of the diagonal from the input's points on average")
    if found["sign_near"] is not None:
        parts.append(f"sign near it right at {found['sign_near']:.1%}")
    if found["components"]:
        parts.append("closed" if found["closed"] else "not closed")
        parts.append("one part" if found["components"] == 1 else f"{found['components']} parts")
    level = found["level"]
    if level > 0.0:
        parts.append(f"at level {level:.4g}, {level / found['diagonal']:.2%} of the diagonal")
    return ["; ".join(parts)] if parts else []
