"""Surfaces of points, curves, meshes and images: closed meshes, shells around them, and skeletons."""

from ..registering import of_modules
from . import image, operators, panel, properties

_MODULES = (properties, operators, image, panel)

register, unregister = of_modules(_MODULES)
