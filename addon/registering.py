"""Pairs of ``register`` and ``unregister``, which end in the opposite order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import bpy

Pair = tuple[Callable[[], None], Callable[[], None]]


def of_classes(classes: Sequence[type[Any]]) -> Pair:
    """For classes that Blender has to know."""
    return _pair(
        [(partial(bpy.utils.register_class, one), partial(bpy.utils.unregister_class, one)) for one in classes]
    )


def of_modules(modules: Sequence[Any]) -> Pair:
    """For modules that have such a pair themselves."""
    return _pair([(module.register, module.unregister) for module in modules])


def on_scene(name: str, classes: Sequence[type[Any]]) -> Pair:
    """For groups of settings; every scene has one of the last of ``classes``, under ``name``."""
    pointer: Any = bpy.props.PointerProperty

    def begin() -> None:
        setattr(bpy.types.Scene, name, pointer(type=classes[-1]))

    return _pair([of_classes(classes), (begin, lambda: delattr(bpy.types.Scene, name))])


def _pair(pairs: Sequence[Pair]) -> Pair:
    def register() -> None:
        for begin, _ in pairs:
            begin()

    def unregister() -> None:
        for _, end in reversed(pairs):
            end()

    return register, unregister
