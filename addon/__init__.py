"""Tweenfield for Blender: morphs one mesh into another and makes shape keys of it."""

from . import landmarks, operators, panel, preferences, properties, running

_MODULES = (properties, running, preferences, operators, panel, landmarks)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
