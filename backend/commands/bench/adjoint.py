"""The adjoint of differentiable surfaces beside central differences of the extraction, on fields of known surfaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor

from backend.commands.bench.table import Figure
from backend.geometry.isosurface import extract, grid_over
from backend.surfaces.mesh_sdf.differentiable_surface import differentiable_surface
from backend.surfaces.mesh_sdf.model import DecoderModel

CELLS: Final = 64  # along each side of the box -1..1
STEP: Final = 0.01  # of the differences, in the field's own parameters
SLOPE: Final = 12.0  # at least as long as any gradient of the fields here
REACH: Final = "2 %"

Field = Callable[[Tensor, Tensor], Tensor]  # [N, 3], parameters [P] -> [N]


def sphere(points: Tensor, radius: Tensor) -> Tensor:
    """Distance to a sphere around the origin."""
    found: Tensor = points.norm(dim=1) - radius[0]
    return found


def torus(points: Tensor, radii: Tensor) -> Tensor:
    """Distance to a torus around the z axis; radii of the ring and of its tube."""
    return torch.hypot(torch.hypot(points[:, 0], points[:, 1]) - radii[0], points[:, 2]) - radii[1]


def steep(field: Field) -> Field:
    """The same surface by a field that is no distance: on the shapes here its gradient is 0.9 to 5.1 long."""
    return lambda points, parameters: 3.0 * (1.0 + 0.9 * points[:, 0]) * field(points, parameters)


def marched(values: Callable[[Tensor], Tensor], slope: float = SLOPE, cells: int = CELLS) -> tuple[Tensor, Tensor]:
    """Vertices [V, 3] and triangles [T, 3]. ``values`` are of float64 points."""
    grid = grid_over(np.full(3, -1.0), np.full(3, 1.0), cells)
    with torch.no_grad():
        found = extract(lambda p: values(torch.from_numpy(p)).numpy(), grid, slope=slope)
    return torch.from_numpy(found[0]), torch.from_numpy(found[1])


def volume(vertices: Tensor, triangles: Tensor) -> Tensor:
    """Of a closed surface; a scalar with gradients to its vertices."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    found: Tensor = (a * torch.linalg.cross(b, c)).sum() / 6.0
    return found


def deviation(field: Field, parameters: Tensor, cells: int = CELLS, step: float = STEP) -> float:
    """How far the gradient of the volume is from that of central differences, as a share of their length.

    ``parameters`` [P] float64. The differences extract the surface anew at either side.
    """
    given = parameters.detach().clone().requires_grad_()
    vertices, triangles = marched(lambda points: field(points, given), cells=cells)
    surface = differentiable_surface(lambda points: field(points, given), vertices, [given])
    (found,) = torch.autograd.grad(volume(surface, triangles), given)

    def volume_at(moved: Tensor) -> float:
        return float(volume(*marched(lambda points: field(points, moved), cells=cells)))

    steps = step * torch.eye(len(parameters), dtype=torch.float64)
    sides = [(volume_at(parameters + way), volume_at(parameters - way)) for way in steps]
    expected = torch.tensor([(ahead - behind) / (2.0 * step) for ahead, behind in sides], dtype=torch.float64)
    return float((found - expected).norm() / expected.norm())


def measure_adjoint(cells: int = CELLS) -> list[Figure]:
    """Of a sphere and a torus, by their distances and by fields that are none."""
    shapes = (("radius of a sphere", sphere, [0.6]), ("radii of a torus", torus, [0.5, 0.2]))
    figures = []
    for what, field, values in shapes:
        parameters = torch.tensor(values, dtype=torch.float64)
        plain, other = (100.0 * deviation(one, parameters, cells) for one in (field, steep(field)))
        value = f"{plain:.2g} %; by a field that is no distance {other:.2g} %"
        figures.append(Figure(f"adjoint beside differences, {what}", value, REACH))
    return figures


def measure_trained(model: DecoderModel, code: Tensor, cells: int = CELLS) -> Figure:
    """Of a trained decoder, by its code [C]."""
    network = model.decoder.network

    def field(points: Tensor, given: Tensor) -> Tensor:
        found: Tensor = network(points.float(), given.float()).double()
        return found

    value = f"{100.0 * deviation(field, code.detach().double(), cells):.2g} %"
    return Figure("adjoint beside differences, code of the trained decoder", value, "")
