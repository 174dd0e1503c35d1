"""Surfaces of points, curves and meshes: closed meshes, shells around them, and skeletons."""

from ..registering import of_modules
from . import operators, panel, properties

_MODULES = (properties, operators, panel)

register, unregister = of_modules(_MODULES)
