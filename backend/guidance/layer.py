"""``Layer``: what one match to outlines adds to a morph, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.geometry.arrays import Float64
from backend.guidance.lattice import Lattice
from protocol.settings import SettingError

SAME = 1e-6  # difference of times below which they are one


@dataclass(frozen=True, eq=False)
class Layer:
    """A change that is whole at one time and fades before and after; places are those of that time.

    Where the source's own faces stay, ``forth`` moves the surface. Where every frame has faces of its own the field is
    looked up at x + ``back`` (x), ``added`` is added to it, and ``code`` to the latent code of a field that has one.
    """

    time: float
    start: float  # from this time on it grows
    end: float  # at this time it is gone
    forth: tuple[Lattice, ...] = ()  # of 3 functions each, one after the other
    back: Lattice | None = None  # of 3 functions
    added: Lattice | None = None  # of 1 function, in lengths of object space
    code: Float64 | None = None  # [C]
    low: Float64 | None = None  # [3], corners of a box around a field's surface at the time
    high: Float64 | None = None  # [3]

    def weight(self, t: float) -> float:
        """How much of it there is at time ``t``: 1 at its own, with a slope of 0 there and where it ends."""
        span = self.time - self.start if t < self.time else self.end - self.time
        share = 1.0 - abs(t - self.time) / span
        return share * share * (3.0 - 2.0 * share) if share > 0.0 else 0.0

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and plain values to make it again."""
        arrays: dict[str, NDArray[Any]] = {}
        values: dict[str, Any] = {"time": self.time, "start": self.start, "end": self.end, "lattices": {}}
        named = {f"forth.{number}": move for number, move in enumerate(self.forth)}
        named |= {name: one for name in ("back", "added") if (one := getattr(self, name)) is not None}
        for name, lattice in named.items():
            arrays[name] = lattice.coefficients
            values["lattices"][name] = {"low": lattice.low.tolist(), "cell": lattice.cell}
        for name in ("code", "low", "high"):
            if getattr(self, name) is not None:
                arrays[name] = getattr(self, name)
        return arrays, values

    @staticmethod
    def restored(arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> Layer:
        """The layer whose ``state()`` was ``arrays`` and ``values``. Raises ``SettingError`` for any others."""
        time, start, end = (float(values[name]) for name in ("time", "start", "end"))
        if not start < time < end:
            raise SettingError(f"a layer of the time {time:g} is there from {start:g} to {end:g}")
        lattices = {}
        for name, facts in values["lattices"].items():
            coefficients = np.asarray(arrays[name], np.float32)
            if coefficients.ndim != 4 or len(coefficients) != (1 if name == "added" else 3):
                raise SettingError(f"the lattice {name!r} of a layer has the shape {list(coefficients.shape)}")
            lattices[name] = Lattice(np.array(facts["low"]), float(facts["cell"]), coefficients)
        forth = tuple(lattices[f"forth.{number}"] for number in range(sum("forth" in name for name in lattices)))
        rest = {name: np.asarray(arrays[name], np.float64) for name in ("code", "low", "high") if name in arrays}
        return Layer(
            time=time,
            start=start,
            end=end,
            forth=forth,
            back=lattices.get("back"),
            added=lattices.get("added"),
            code=rest.get("code"),
            low=rest.get("low"),
            high=rest.get("high"),
        )


def window(time: float, before: Sequence[float], reach: float) -> tuple[float, float]:
    """When a layer at ``time`` starts and ends: ``reach`` of the way to the nearest time that stays as it is.

    These are both ends of the morph and the times ``before`` that were matched already.
    """
    fixed = [0.0, 1.0, *(other for other in before if abs(other - time) > SAME)]
    below, above = (max(t for t in fixed if t < time), min(t for t in fixed if t > time))
    return time - reach * (time - below), time + reach * (above - time)
