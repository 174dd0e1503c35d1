"""The colours of a match: the target's by their place, the source's those of the points that its vertices go to.

The preview in Blender and the picture that the command ``correspond`` writes have them from here.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from protocol.mesh import Float64, MeshData

DOUBTED = (0.15, 0.5)  # confidence up to which a vertex is grey, and from which it has all of its colour
GREY = 0.30  # linear light
NONE = 0.12  # of vertices without a counterpart
# In polar OKLab: hue along the target's longest axis, lightness across the second, and a little of both across the
# third. Everywhere colourful, so that nothing looks grey, and the ends of limbs differ from each other.
HUES = (math.radians(30.0), math.radians(300.0))
LIGHTNESS, SHADE = 0.68, 0.11
SIDES = (math.radians(22.0), 0.06)  # in hue and in lightness
CHROMA = 0.13
SAMPLE = 20_000  # points that tell the axes


class ColourField:
    """A smooth colour at every place, told by the principal axes of points [N, 3]."""

    def __init__(self, points: Float64) -> None:
        self._middle = points.mean(axis=0)
        _, _, axes = np.linalg.svd((points - self._middle)[:: max(1, len(points) // SAMPLE)], full_matrices=False)
        self._axes = axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1))  # [A, 3]
        along = (points - self._middle) @ self._axes.T
        self._low, self._high = np.quantile(along, [0.01, 0.99], axis=0)

    def __call__(self, points: Float64) -> Float64:
        """Linear light [N, 3]."""
        along = (points - self._middle) @ self._axes.T
        place = np.full((len(points), 3), 0.5)
        place[:, : along.shape[1]] = (along - self._low) / np.maximum(self._high - self._low, 1e-30)
        first, second, third = np.clip(place, 0.0, 1.0).T
        hue = HUES[0] + (HUES[1] - HUES[0]) * first + SIDES[0] * (2.0 * third - 1.0)
        lightness = LIGHTNESS + SHADE * (2.0 * second - 1.0) + SIDES[1] * (2.0 * third - 1.0)
        return _from_oklab(np.stack([lightness, CHROMA * np.cos(hue), CHROMA * np.sin(hue)], axis=1))


def match_colours(
    target: MeshData,  # of W vertices
    points: Float64,  # [V, 3], where the source's vertices go
    known: NDArray[np.bool_],  # [V], whether they go anywhere
    confidence: Float64,  # [V] in 0..1
) -> tuple[Float64, Float64]:
    """Linear light [V, 3] of the source, grey where the match is doubtful, and [W, 3] of the target."""
    there = target.positions()
    field = ColourField(there[np.unique(target.face_indices)])  # what is loose may be anywhere
    trust = np.clip((confidence - DOUBTED[0]) / (DOUBTED[1] - DOUBTED[0]), 0.0, 1.0)[:, None]
    carried = trust * field(np.where(known[:, None], points, 0.0)) + (1.0 - trust) * GREY
    return np.where(known[:, None], carried, NONE), field(there)


def _from_oklab(colours: Float64) -> Float64:
    """OKLab [N, 3] as linear light (Ottosson, *A perceptual color space for image processing*, 2020)."""
    cones = np.array(
        [
            [1.0, 0.3963377774, 0.2158037573],
            [1.0, -0.1055613458, -0.0638541728],
            [1.0, -0.0894841775, -1.2914855480],
        ]
    )
    light = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.7076147010],
        ]
    )
    return np.asarray(np.clip((colours @ cones.T) ** 3 @ light.T, 0.0, 1.0))
