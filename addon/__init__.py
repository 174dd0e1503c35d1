"""Tweenfield for Blender: morphs one mesh into another, and makes surfaces of points, curves, meshes and images."""

from . import landmarks, operators, outline, panel, preferences, properties, running, surfaces
from .registering import of_modules

_MODULES = (properties, running, preferences, operators, panel, landmarks, surfaces, outline)

register, unregister = of_modules(_MODULES)
