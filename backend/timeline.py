"""Which times of a morph are baked: easing, constant speed, direction."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from backend.methods.method import Morph
from protocol.checks import MAX_FRAMES, RESOLUTIONS
from protocol.messages import EASINGS, Timeline
from protocol.settings import SettingError

SPEED_SAMPLES = 33  # times from which the speed of a morph is measured
STILL = 1e-9  # share of the source's size below which its vertices do not move

_EASE: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "linear": lambda u: u,
    "ease-in": lambda u: u * u,
    "ease-out": lambda u: u * (2.0 - u),
    "ease-in-out": lambda u: u * u * (3.0 - 2.0 * u),
}


def times_of(timeline: Timeline, morph: Morph) -> NDArray[np.float64]:
    """The morph time, in 0..1, of every frame [frames]; the ends are exact. Raises ``SettingError``."""
    if not 2 <= timeline.frames <= MAX_FRAMES:
        raise SettingError(f"frames is {timeline.frames}; it must be a whole number from 2 to {MAX_FRAMES}")
    easing = timeline.easing.replace("_", "-")
    if easing not in _EASE:
        raise SettingError(f"easing is {timeline.easing!r}; it must be one of " + ", ".join(EASINGS))
    low, high = RESOLUTIONS
    if not low <= timeline.resolution <= high:
        raise SettingError(f"resolution is {timeline.resolution}; it must be a whole number from {low} to {high}")
    eased = _EASE[easing](np.linspace(0.0, 1.0, timeline.frames))
    times = _at_constant_speed(eased, morph.timed_by) if timeline.constant_speed else eased
    times[0], times[-1] = 0.0, 1.0
    return times[::-1].copy() if timeline.reverse else times


def _at_constant_speed(fractions: NDArray[np.float64], morph: Morph) -> NDArray[np.float64]:
    """Times at which the source's vertices, carried along, have gone the given fractions of their mean path length."""
    grid = np.linspace(0.0, 1.0, SPEED_SAMPLES)
    carried = morph.carries(morph.source.positions(), grid.tolist())
    steps = [float(np.linalg.norm(now - before, axis=1).mean()) for before, now in pairwise(carried)]
    gone = np.concatenate([[0.0], np.cumsum(steps)])
    still = gone[-1] <= STILL * float(np.ptp(morph.source.positions(), axis=0).max())
    return fractions.copy() if still else np.interp(fractions, gone / gone[-1], grid)
