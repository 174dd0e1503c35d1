"""Tweenfield for Blender: morphs one mesh into another, and makes surfaces of points, curves and meshes."""

from . import landmarks, operators, panel, preferences, properties, running, surfaces
from .registering import of_modules

_MODULES = (properties, running, preferences, operators, panel, landmarks, surfaces)

register, unregister = of_modules(_MODULES)
