"""Every way to fit a distance field by name, and what the panel and the command line are told of it."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType

from backend.methods.settings import specs_of
from backend.surfaces.full_information import FullInformation
from backend.surfaces.igr import Igr
from backend.surfaces.one_lipschitz import OneLipschitzFit
from backend.surfaces.sald import Sald
from backend.surfaces.surface_method import SurfaceMethod
from protocol.settings import MethodSpec, SettingError


@cache
def surface_methods() -> MappingProxyType[str, SurfaceMethod]:
    """Every method by name, the default first."""
    found: list[SurfaceMethod] = [Igr(), OneLipschitzFit(), FullInformation(), Sald()]
    return MappingProxyType({method.name: method for method in found})


def get_surface_method(name: str) -> SurfaceMethod:
    """The method called ``name``; hyphens and underscores are equal. Raises ``SettingError``."""
    method = surface_methods().get(name.replace("-", "_"))
    if method is None:
        raise SettingError(f"there is no method {name!r} for surfaces; there are " + ", ".join(surface_methods()))
    return method


def surface_spec(method: SurfaceMethod) -> MethodSpec:
    """What the backend advertises of a method."""
    return MethodSpec(
        name=method.name,
        label=method.label,
        doc=method.doc,
        needs_correspondence=False,
        settings=specs_of(method.settings_type),
        presets={name: dict(changes) for name, changes in method.presets.items()},
        topologies=tuple(method.needs),
    )


def surface_specs() -> tuple[MethodSpec, ...]:
    """The specs of every method, the default first."""
    return tuple(surface_spec(method) for method in surface_methods().values())
