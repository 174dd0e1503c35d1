"""A pair of meshes as the points that the paper's surface training is made of."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from backend.geometry.distance import closest_on_surface
from backend.geometry.sampling import sample_surface
from backend.geometry.triangles import area_vectors, vertex_normals
from backend.training.surface_samples import SurfacePair

SAMPLES = 20_000  # of each surface, as published

Float = NDArray[np.float64]
Int = NDArray[np.int64]


def surface_pair(
    source: Float,  # [W, 3], frame units at time 0
    landed: Float,  # [W, 3], where the same vertices are at time 1
    triangles: Int,  # [T, 3], of the source
    target: Float,  # [U, 3], frame units at time 1
    target_triangles: Int,  # [R, 3]
    seed: int,
    device: torch.device,
    *,
    samples: int = SAMPLES,
) -> SurfacePair:
    """Source vertices with their partners, and points all over both surfaces; a partner's normal is the target's."""
    rng = np.random.default_rng(seed)
    _, faces, _ = closest_on_surface(landed, target, target_triangles)
    arrays = [
        source,
        _unit(vertex_normals(source, triangles)),
        landed,
        _unit(area_vectors(target, target_triangles))[faces],
        np.ones(len(source)),
        *_sampled(source, triangles, samples, rng),
        *_sampled(target, target_triangles, samples, rng),
    ]
    return SurfacePair(*(torch.as_tensor(values, dtype=torch.float32, device=device) for values in arrays))


def _sampled(positions: Float, triangles: Int, count: int, rng: np.random.Generator) -> tuple[Float, Float]:
    """Points [count, 3] and the normals of their triangles."""
    points, faces, _ = sample_surface(positions, triangles, count, rng)
    return points, _unit(area_vectors(positions, triangles))[faces]


def _unit(vectors: Float) -> Float:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300))
