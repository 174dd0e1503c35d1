"""Landmarks, pairs of places that belong together on the source and the target, and the preview of a match."""

from . import drawing, editing, panel, pick, preview, store

_MODULES = (store, editing, pick, preview, drawing, panel)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
