"""The way to match by a learned model, from the panel: the shipped model of chairs, on chairs of boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import inside
import numpy as np
from inside import add_object, choose, morph
from matching import colours, failed_preview, preview, unchanged

MODEL = Path(__file__).resolve().parents[3] / "backend" / "data" / "chairs.safetensors"
N = 4  # quads along an edge of a box
Corner = tuple[float, float, float]


def box(low: Corner, high: Corner) -> tuple[np.ndarray, np.ndarray]:
    """Its points and quads."""
    points, quads = [], []
    u, v = np.meshgrid(np.linspace(0, 1, N + 1), np.linspace(0, 1, N + 1), indexing="ij")
    number = np.arange((N + 1) ** 2).reshape(N + 1, N + 1)
    quad = np.stack([number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]], axis=-1).reshape(-1, 4)
    for side in range(6):
        axis, far = side // 2, side % 2
        place = np.full((N + 1, N + 1, 3), float(far))
        place[..., (axis + 1) % 3], place[..., (axis + 2) % 3] = u, v
        points.append(place.reshape(-1, 3))
        quads.append((quad if far else quad[:, ::-1]) + side * (N + 1) ** 2)
    return np.array(low) + np.concatenate(points) * np.subtract(high, low), np.concatenate(quads)


def chair(name: str, wide: float, deep: float, seat: float, back: float, arms: bool = False) -> tuple[Any, np.ndarray]:
    """A chair of boxes, and the name of the part that each of its vertices is of."""
    boxes: list[tuple[str, Corner, Corner]] = [
        ("seat", (-wide, -deep, seat - 0.1), (wide, deep, seat)),
        ("back", (-wide, deep - 0.08, seat), (wide, deep, seat + back)),
    ]
    for x in (-wide, wide - 0.09):
        boxes += [("leg", (x, y, 0.0), (x + 0.09, y + 0.09, seat - 0.1)) for y in (-deep, deep - 0.09)]
    for x in (-wide, wide) if arms else ():
        boxes.append(("arm", (x - 0.04, -deep, seat + 0.2), (x + 0.04, deep - 0.08, seat + 0.26)))
        boxes.append(("arm", (x - 0.04, -deep, seat), (x + 0.04, 0.08 - deep, seat + 0.2)))
    made = [(part, *box(low, high)) for part, low, high in boxes]
    each = len(made[0][1])
    faces = np.concatenate([quads + index * each for index, (_, _, quads) in enumerate(made)])
    ob = add_object(name, np.concatenate([points for _, points, _ in made]), faces.tolist())
    return ob, np.repeat([part for part, *_ in made], each)


def chairs(**changes: Any) -> tuple[Any, np.ndarray, Any, np.ndarray]:
    """One with arms, and one without."""
    source, ours = chair("A", 0.34, 0.30, 0.50, 0.60, arms=True)
    target, theirs = chair("B", 0.28, 0.33, 0.45, 0.70)
    choose(source, target, **({"correspondence": "implicit-dense", "model": str(MODEL)} | changes))
    return source, ours, target, theirs


def check_the_match_by_a_model(facts: Any) -> None:
    source, ours, _, _ = chairs()
    with unchanged():
        facts.said = preview()
        lines = facts.said.splitlines()
        assert lines[0].startswith("Match: Implicit dense in ")
        assert any(line.startswith("Dark grey: ") and line.endswith("have no counterpart") for line in lines)
        seen = np.ptp(colours(source)[:, :3], axis=1) > 0.05  # not grey
        for part in ("seat", "back", "leg"):
            assert seen[ours == part].mean() > 0.9, part
        facts.arms = float(seen[ours == "arm"].mean())
        assert facts.arms < 0.7
        assert bpy.ops.tweenfield.remove_match_preview() == {"FINISHED"}
        assert inside.session().outcome == ""


def check_the_morph_by_a_model(facts: Any) -> None:
    source, ours, target, theirs = chairs(topology="keep")
    source.location.x = 3.0  # the model knows where a chair's middle is by itself
    bpy.context.view_layer.update()
    morph()
    facts.said = inside.session().outcome
    assert "Match: Implicit dense" in facts.said
    last = inside.shown_at(inside.result(), 9)
    there = inside.coordinates(target.data)
    for part in ("seat", "back", "leg"):
        gaps = np.linalg.norm(last[ours == part][:, None] - there[theirs == part], axis=2).min(axis=1)
        assert np.median(gaps) < 0.1, part


def check_the_model_that_comes_with_the_backend(facts: Any) -> None:
    source, *_ = chairs(model=" ")
    preview()
    own = colours(source)
    bpy.context.scene.tweenfield.model = str(MODEL)
    preview()
    assert np.array_equal(own, colours(source))


def check_what_is_no_model(facts: Any) -> None:
    chairs(model="//nothing.safetensors")
    with unchanged():
        assert "nothing.safetensors cannot be read" in failed_preview()
    chairs(model=__file__)
    with unchanged():
        facts.message = failed_preview()
    assert "not a model of `correspond-train`" in facts.message
