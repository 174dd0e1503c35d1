"""Chairs with and without arms, mugs with and without a handle, tables with three to five legs; lengths in metres."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backend.collection.parts import Arc, Column, Part
from backend.collection.solid import Solid


def chair(rng: np.random.Generator, variant: int) -> Solid:
    """A seat, a back and four legs; odd variants have arms."""
    u = rng.uniform
    wide, deep = u(0.18, 0.5), u(0.18, 0.42)  # half
    under, thick = u(0.12, 0.75), u(0.04, 0.18)
    top = under + thick
    back, tilt = u(0.15, 0.95), u(0.0, 0.3)
    back_thick, narrow = u(0.025, 0.05), u(0.75, 1.05)
    shape = u(3.0, 12.0)
    rear = deep - back_thick
    parts: list[Part] = [
        Column("seat", 2, under, top, (0.0, 0.0), (0.0, 0.0), (wide, deep), (wide, deep), shape),
        Column(
            *("back", 2, top - thick / 2, top + back, (0.0, rear), (0.0, rear + tilt)),
            *((wide, back_thick), (wide * narrow, 0.8 * back_thick)),
            *(u(4.0, 12.0), (0.0, u(0.0, 0.04))),
        ),
    ]
    leg, splay, taper = u(0.03, 0.055), u(0.0, 0.12), u(0.7, 1.0)
    inset = u(0.5, 0.9) if shape > 5.0 else u(0.45, 0.72)
    for name, x, y in (("front left", 1, -1), ("front right", -1, -1), ("rear left", 1, 1), ("rear right", -1, 1)):
        at = (x * (inset * wide - leg / 2), y * (inset * deep - leg / 2))
        foot = (at[0] + x * splay, at[1] + y * splay)
        half = (leg * taper, leg * taper)
        parts.append(Column(f"{name} leg", 2, 0.0, under + thick / 2, foot, at, half, (leg, leg), u(2.0, 8.0)))
    if variant % 2:
        parts += _arms(rng, wide, deep, top)
    return Solid("chair", tuple(parts))


def _arms(rng: np.random.Generator, wide: float, deep: float, top: float) -> list[Part]:
    u = rng.uniform
    height, half, front = u(0.12, 0.36), u(0.028, 0.05), u(0.3, 0.85)
    thick, outwards = u(0.026, 0.04), u(0.0, 0.05)
    parts: list[Part] = []
    for name, x in (("left", 1), ("right", -1)):
        foot, at = x * (wide - half), x * (wide + outwards)
        level = top + height
        parts.append(
            Column(
                *(f"{name} arm post", 2, top - 0.02, level, (foot, -front * deep), (at, -front * deep)),
                *((half, half), (half, half), u(3.0, 8.0)),
            )
        )
        middle = ((at, level), (x * (wide - half), level + u(0.0, 0.05)))
        parts.append(
            Column(
                f"{name} arm rest", 1, -front * deep - half, deep, *middle, (half, thick), (half, thick), u(3.0, 8.0)
            )
        )
    return parts


def mug(rng: np.random.Generator, variant: int) -> Solid:
    """A hollow body; odd variants have a handle."""
    u = rng.uniform
    height, foot, rim = u(0.04, 0.2), u(0.02, 0.055), u(0.03, 0.065)
    wall, bottom = u(0.004, 0.008), u(0.006, 0.1 * height + 0.01)
    bulge = u(-0.004, 0.008)
    at_bottom = foot + (rim - foot) * bottom / height + 4.0 * bulge * bottom / height
    square = u(2.0, 4.0) if rng.random() < 0.4 else 2.0
    middle = (0.0, 0.0)
    parts: list[Part] = [
        Column("outside", 2, 0.0, height, middle, middle, (foot, foot), (rim, rim), square),
        Column(
            *("inside", 2, bottom, height, middle, middle, (at_bottom - wall, at_bottom - wall)),
            *((rim - wall, rim - wall), square),
            hollow=True,
        ),
    ]
    if variant % 2:
        level, tall = height * u(0.4, 0.62), height * u(0.18, 0.36)
        wide = u(0.015, 0.05)
        side = foot + (rim - foot) * level / height
        half = (u(0.0035, 0.006), u(0.0045, 0.009))
        parts.append(Arc("handle", (side - 0.5 * wall, level), (wide, tall), half, square=u(2.0, 5.0)))
    return Solid("mug", tuple(parts))


def table(rng: np.random.Generator, variant: int) -> Solid:
    """A top on three legs (two in front, one behind), four, or five (one of them in the middle)."""
    u = rng.uniform
    wide, deep = u(0.3, 1.0), u(0.28, 0.7)  # half
    height, thick = u(0.25, 1.2), u(0.03, 0.12)
    shape = u(2.0, 12.0)
    parts: list[Part] = [
        Column("top", 2, height - thick, height, (0.0, 0.0), (0.0, 0.0), (wide, deep), (wide, deep), shape)
    ]
    leg, splay, taper = u(0.035, 0.07), u(0.0, 0.2), u(0.55, 1.0)
    inset = u(0.4, 0.9) if shape > 4.0 else u(0.4, 0.7)
    square = u(2.0, 8.0)
    places = {"front left": (1, -1), "front right": (-1, -1)}
    legs = 3 + variant % 3
    if legs == 3:
        places["rear"] = (0, 1)
    else:
        places |= {"rear left": (1, 1), "rear right": (-1, 1)}
    if legs == 5:
        places["middle"] = (0, 0)
    for name, (x, y) in places.items():
        at = (x * (inset * wide - leg), y * (inset * deep - leg))
        foot = (at[0] + x * splay, at[1] + y * splay)
        half = (leg * taper, leg * taper)
        parts.append(Column(f"{name} leg", 2, 0.0, height - thick / 2, foot, at, half, (leg, leg), square))
    return Solid("table", tuple(parts))


KINDS: dict[str, Callable[[np.random.Generator, int], Solid]] = {"chair": chair, "mug": mug, "table": table}


def make(kind: str, seed: int, number: int) -> Solid:
    """Shape ``number`` of the collection of a kind with this seed; the same whatever the size of the collection."""
    return KINDS[kind](np.random.default_rng((seed, number)), number)
