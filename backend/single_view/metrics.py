"""How near a reconstruction is to the truth, and whether a trained shape would have done as well.

Chamfer distance and normal consistency as published with MeshSDF (Remelli et al., NeurIPS 2020, code): squared
distances between 10,000 points, both ways added, times 1000; and the mean cosine between the normals that the image's
camera sees, where it sees both shapes. Beside them the mean distance between the surfaces, in percent of the truth's
diagonal, as everywhere in this project.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from backend.geometry.arrays import Float64
from backend.geometry.distance import exact_distances, nearest_distances
from backend.geometry.sampling import sample_surface
from backend.geometry.triangles import diagonal
from backend.rendering.camera import Camera
from backend.rendering.silhouette import seen
from backend.single_view.layout import Instance, read_image
from backend.single_view.making import turned_up
from backend.single_view.model import SingleViewModel
from backend.single_view.reconstruct import AXES, reconstruct, turned
from backend.single_view.surface import Surface
from backend.training.run import Run
from protocol.settings import SettingError

POINTS = 10_000  # on each surface
SEARCHED = 1_000  # of them, where the nearest of many shapes is searched
SIDE = 224  # pixels of the normals' images


@dataclass(frozen=True)
class Scores:
    """Of one surface against the truth."""

    chamfer: float  # squared, both ways, times 1000; the diagonal of a shape is 1
    distance: float  # mean of both ways, percent of the diagonal
    normals: float  # mean cosine where both are seen


@dataclass(frozen=True)
class Measured:
    """One image."""

    name: str
    view: int
    raw: Scores
    refined: Scores
    nearest: Scores | None  # the trained shape that is nearest to the truth itself, which only the truth can tell
    nearest_name: str
    retrieved: Scores | None  # the trained shape whose code is nearest to the image's
    retrieved_name: str
    iou_before: float
    iou: float


class Trained:
    """The shapes that a model was trained on, with points on each."""

    def __init__(self, model: SingleViewModel, instances: Sequence[Instance], run: Run) -> None:
        known = {instance.name: instance for instance in instances}
        chosen = [(k, known[name]) for k, name in enumerate(model.names) if name in known]
        self.instances = [instance for _, instance in chosen]
        self._codes = model.codes[[k for k, _ in chosen]]
        self._points = []
        for number, instance in enumerate(self.instances):
            run.progress(number, len(self.instances))
            self._points.append(sample_surface(*instance.mesh(), SEARCHED, np.random.default_rng(number))[0])

    def nearest_to(self, truth: Surface) -> Instance:
        """The one with the least Chamfer distance to a surface."""
        points = sample_surface(*truth, SEARCHED, np.random.default_rng(0))[0]
        return self.instances[int(np.argmin([_squared(points, other) for other in self._points]))]

    def nearest_code(self, code: Float64) -> Instance:
        """The one whose code is nearest to a code [latent]."""
        return self.instances[int(np.linalg.norm(self._codes - code, axis=1).argmin())]


def scores_of(found: Surface, truth: Surface, camera: Camera, seed: int = 0) -> Scores:
    """Of a surface, held against the truth; both and the camera in the frame of the dataset."""
    if not len(found[1]):
        raise SettingError("the reconstruction has no surface to measure; train the model longer")
    rng = np.random.default_rng(seed)
    a, b = (sample_surface(*surface, POINTS, rng)[0] for surface in (found, truth))
    there, back = exact_distances(found, truth, POINTS, rng)
    size = diagonal(*truth)
    distance = 100.0 * float(there.mean() + back.mean()) / 2 / size
    return Scores(1000.0 * _squared(a, b), distance, normal_consistency(found, truth, camera))


def normal_consistency(found: Surface, truth: Surface, camera: Camera) -> float:
    """Mean cosine between the normals of two surfaces where the camera sees both; 0 if nowhere."""
    images = [seen(torch.from_numpy(p).float(), torch.from_numpy(t), camera) for p, t in (found, truth)]
    both = (images[0].face >= 0) & (images[1].face >= 0)
    cosines = (images[0].normal * images[1].normal).sum(dim=-1)[both]
    return float(cosines.mean()) if len(cosines) else 0.0


def measured(
    model: SingleViewModel, instance: Instance, view: int, trained: Trained | None, run: Run, resolution: int
) -> Measured:
    """Reconstructs one image of a dataset by its own camera, and measures what comes."""
    image = read_image(instance.image_file(view))
    inward = instance.views[view].camera(SIDE)
    outward = turned(inward, turned_up(AXES, model.up))
    result = reconstruct(model, image, run, resolution=resolution, camera=outward)
    truth = instance.mesh()
    raw, last = (_scores(part, truth, inward, model) for part in (result.raw, (result.positions, result.triangles)))
    nearest: tuple[Scores | None, str] = (None, "")
    retrieved: tuple[Scores | None, str] = (None, "")
    if trained is not None and trained.instances:
        nearest, retrieved = (
            (scores_of(one.mesh(), truth, inward), one.name)
            for one in (trained.nearest_to(truth), trained.nearest_code(result.code))
        )
    ious = result.report["iou_before"], result.report["iou"]
    return Measured(instance.name, view, raw, last, *nearest, *retrieved, *ious)


def view_of(instance: Instance, seed: int, number: int) -> int:
    """The render of a shape that is measured, by chance but always the same."""
    return int(np.random.default_rng((seed, number)).integers(len(instance.views)))


def _scores(surface: Surface, truth: Surface, camera: Camera, model: SingleViewModel) -> Scores:
    return scores_of((turned_up(surface[0], model.up), surface[1]), truth, camera)


def _squared(a: Float64, b: Float64) -> float:
    there, back = nearest_distances(a, b)
    return float((there**2).mean() + (back**2).mean())
