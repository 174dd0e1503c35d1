"""Frames of a morph that are matched with outlines: drawn, or of objects and images, seen through cameras."""

from ..registering import of_modules
from . import drawing, operators, panel, properties

_MODULES = (properties, operators, panel, drawing)

register, unregister = of_modules(_MODULES)
