"""Landmarks, pairs of places that belong together on the source and the target, and the preview of a match."""

from ..registering import of_modules
from . import drawing, editing, panel, pick, preview, store

_MODULES = (store, editing, pick, preview, drawing, panel)

register, unregister = of_modules(_MODULES)
