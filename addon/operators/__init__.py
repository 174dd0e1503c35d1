"""The add-on's operators, one file a subject."""

from . import backend, morph, report

_MODULES = (backend, morph, report)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
