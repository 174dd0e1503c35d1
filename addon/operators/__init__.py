"""The add-on's operators, one file a subject."""

from ..registering import of_modules
from . import backend, morph, report

_MODULES = (backend, morph, report)

register, unregister = of_modules(_MODULES)
