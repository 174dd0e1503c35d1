"""Every morph method by name, and what the panel and the command line are told of it."""

from __future__ import annotations

import importlib
import os
from functools import cache
from types import MappingProxyType
from typing import Final

from backend.methods.arap import Arap
from backend.methods.linear import Linear
from backend.methods.lip_mlp import LipMlp
from backend.methods.mesh_sdf import MeshSdf
from backend.methods.method import Method
from backend.methods.one_lipschitz import OneLipschitzMorph
from backend.methods.sdf_blend import SdfBlend
from backend.methods.settings import specs_of
from backend.methods.shape_space import ShapeSpaceMorph
from backend.methods.velocity_field import VelocityField
from protocol.settings import MethodSpec, SettingError

EXTRA_METHODS: Final = "TWEENFIELD_EXTRA_METHODS"  # environment: "module:NAME,module:NAME", methods from outside


@cache
def methods() -> MappingProxyType[str, Method]:
    """Every method by name, the default first."""
    found: list[Method] = [
        VelocityField(),
        Arap(),
        Linear(),
        LipMlp(),
        OneLipschitzMorph(),
        ShapeSpaceMorph(),
        MeshSdf(),
        SdfBlend(),
    ]
    for entry in filter(None, os.environ.get(EXTRA_METHODS, "").split(",")):
        module, _, name = entry.partition(":")
        found.append(getattr(importlib.import_module(module), name)())
    return MappingProxyType({method.name: method for method in found})


def get(name: str) -> Method:
    """The method called ``name``; hyphens and underscores are equal. Raises ``SettingError``."""
    method = methods().get(name.replace("-", "_"))
    if method is None:
        raise SettingError(f"there is no method {name!r}; there are " + ", ".join(methods()))
    return method


def spec(method: Method) -> MethodSpec:
    """What the backend advertises of a method."""
    return MethodSpec(
        name=method.name,
        label=method.label,
        doc=method.doc,
        needs_correspondence=method.needs_correspondence,
        settings=specs_of(method.settings_type),
        presets={name: dict(changes) for name, changes in method.presets.items()},
        topologies=method.topologies,
    )


def specs() -> tuple[MethodSpec, ...]:
    """The specs of every method, the default first."""
    return tuple(spec(method) for method in methods().values())
