"""Tweenfield for Blender: morphs one mesh into another and makes shape keys of it."""

from . import landmarks, operators, panel, preferences, properties, running
from .registering import of_modules

_MODULES = (properties, running, preferences, operators, panel, landmarks)

register, unregister = of_modules(_MODULES)
