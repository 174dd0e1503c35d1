"""Training data of meshes: samples of the signed distance, renders with their cameras, all in one frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from backend.geometry.arrays import Float64, Int64
from backend.rendering.camera import stack
from backend.single_view.layout import MESHES, RENDERS, SAMPLES, write_obj
from backend.single_view.render import rendered
from backend.single_view.views import METADATA, views_around, write_metadata
from backend.surfaces.known_mesh import KnownMesh
from backend.surfaces.mesh_sdf.samples import samples_of, write_samples

NEAR = 24_000  # samples around a surface
FAR = 8_000  # samples in the box
SPREADS = (0.004, 0.02, 0.06)  # of those around it, in equal shares
REACH = 0.6  # half the side of the box
UP = ("y", "z")


@dataclass(frozen=True)
class Making:
    """How renders are made."""

    views: int = 16
    side: int = 128  # pixels
    up: str = "y"  # axis that points upwards in the meshes
    seed: int = 0


def placed(positions: Float64, up: str) -> Float64:
    """Positions [V, 3] in the frame of a dataset: y upwards, the box around 0 and its diagonal 1, as ShapeNet's."""
    turned = turned_up(positions, up)
    low, high = turned.min(axis=0), turned.max(axis=0)
    return np.asarray((turned - (low + high) / 2) / float(np.linalg.norm(high - low)))


def turned_up(positions: Float64, up: str) -> Float64:
    """Positions [V, 3] with y upwards, of those with ``up`` upwards."""
    return positions if up == "y" else positions[:, [0, 2, 1]] * [1.0, 1.0, -1.0]


def turned_back(positions: Float64, up: str) -> Float64:
    """The inverse of ``turned_up``."""
    return positions if up == "y" else positions[:, [0, 2, 1]] * [1.0, -1.0, 1.0]


def write_instance(folder: Path, name: str, positions: Float64, triangles: Int64, making: Making, number: int) -> None:
    """One shape of a class: its mesh, placed, its samples and its renders."""
    rng = np.random.default_rng((making.seed, number))
    place = placed(positions, making.up)
    write_obj(folder / MESHES / f"{name}.obj", place, triangles)
    shape = KnownMesh(place, triangles)
    write_samples(folder / SAMPLES / f"{name}.npz", *samples_of(shape, _places(shape, rng)))
    views = views_around(making.views, rng)
    renders = folder / RENDERS / name
    renders.mkdir(parents=True, exist_ok=True)
    camera = stack([view.camera(making.side) for view in views])
    images = rendered(torch.from_numpy(place).float(), torch.from_numpy(triangles), camera)
    for view, image in enumerate(images):
        Image.fromarray(image).save(renders / f"{view:02d}.png")
    write_metadata(renders / METADATA, views)


def _places(shape: KnownMesh, rng: np.random.Generator) -> Float64:
    """Where to know distances [N, 3]: around a placed shape, and in the box."""
    on = shape.on_surface(NEAR, rng)[0]
    around = on + rng.normal(size=on.shape) * rng.choice(SPREADS, len(on))[:, None]
    return np.concatenate([around, rng.uniform(-REACH, REACH, (FAR, 3))])
