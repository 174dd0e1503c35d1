"""Property groups made from the settings that the backend advertises, one for each method.

They are registered when the backend has introduced itself and kept on the scene, so that a file remembers them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import bpy
import numpy as np

from .protocol.messages import Welcome
from .protocol.settings import MethodSpec, SettingSpec, SettingValue

LARGEST = 2**31 - 1  # of Blender's integers


class Methods:
    """The methods of one kind that the backend seen last has, and the classes registered for them."""

    def __init__(self, prefix: str, usual: str) -> None:
        self.usual = usual  # preset
        self.specs: dict[str, MethodSpec] = {}
        self._prefix = prefix  # of names, since two kinds may have a method of one name
        self._classes: dict[str, tuple[str, type]] = {}  # method -> etag and class

    def register(self, specs: Iterable[MethodSpec]) -> None:
        """Makes the groups of new methods, and those of changed ones again."""
        for spec in specs:
            self.specs[spec.name] = spec
            etag, old = self._classes.get(spec.name, ("", None))
            if etag == spec.etag:
                continue
            if old is not None:
                self._unregister(spec.name, old)
            properties = {"__annotations__": _properties(spec, self.usual)}
            made = type(f"TWEENFIELD_PG_{self._prefix}{spec.name}", (bpy.types.PropertyGroup,), properties)
            bpy.utils.register_class(made)
            pointer: Any = bpy.props.PointerProperty
            setattr(bpy.types.Scene, self._attribute(spec.name), pointer(type=made))
            self._classes[spec.name] = (spec.etag, made)

    def unregister(self) -> None:
        for name, (_, made) in self._classes.items():
            self._unregister(name, made)
        self._classes.clear()
        self.specs.clear()

    def group_of(self, scene: bpy.types.Scene, method: str) -> Any:
        """The settings of a method, or None before the backend has introduced itself."""
        return getattr(scene, self._attribute(method), None)

    def apply_preset(self, scene: bpy.types.Scene, spec: MethodSpec, preset: str) -> None:
        """Sets every setting to what the preset says."""
        group = self.group_of(scene, spec.name)
        for name, value in spec.resolve(preset, {}).items():
            setattr(group, name, value)

    def changed_settings(self, scene: bpy.types.Scene, spec: MethodSpec, preset: str) -> dict[str, SettingValue]:
        """What was changed by hand: the settings that differ from the preset's."""
        group = self.group_of(scene, spec.name)
        touched = group is not None and any(group.is_property_set(setting.name) for setting in spec.settings)
        if not touched:
            return {}
        values = {setting.name: _plain(setting, getattr(group, setting.name)) for setting in spec.settings}
        wanted = spec.resolve(preset, {})
        return {name: values[name] for name, value in wanted.items() if not _same(value, values[name])}

    def _attribute(self, method: str) -> str:
        """Name of the scene's property that holds the settings of a method."""
        return f"tweenfield_{self._prefix}{method}"

    def _unregister(self, name: str, made: type) -> None:
        delattr(bpy.types.Scene, self._attribute(name))
        bpy.utils.unregister_class(made)


class Backend:
    """What the backend that was seen last has to offer."""

    def __init__(self) -> None:
        self.morphs = Methods("", "standard")
        self.surfaces = Methods("surface_", "fast")
        self.devices: tuple[str, ...] = ()

    def learn(self, welcome: Welcome) -> None:
        self.morphs.register(welcome.methods)
        self.surfaces.register(welcome.surface_methods or ())
        self.devices = welcome.devices

    def forget(self) -> None:
        self.morphs.unregister()
        self.surfaces.unregister()


offered = Backend()
methods = offered.morphs


def _plain(setting: SettingSpec, value: Any) -> SettingValue:
    """A property's value as the artist typed it: Blender keeps 0.1 in single precision, as 0.10000000149."""
    return float(str(np.float32(value))) if setting.type == "float" else setting.check(value)


def _same(wanted: SettingValue, value: SettingValue) -> bool:
    if isinstance(wanted, float) and isinstance(value, float):
        return bool(np.float32(wanted) == np.float32(value))
    return wanted == value


def _properties(spec: MethodSpec, preset: str) -> Mapping[str, Any]:
    # Untouched settings show what the usual preset makes of them, since that is what is sent then.
    usual = spec.resolve(preset, {}) if preset in spec.presets else {}
    return {setting.name: _property(setting, usual.get(setting.name, setting.default)) for setting in spec.settings}


def _property(setting: SettingSpec, default: SettingValue) -> Any:
    unit = setting.unit if setting.unit and setting.unit not in setting.name else ""
    label = setting.name.replace("_", " ").capitalize() + (f" ({unit})" if unit else "")
    common: dict[str, Any] = {"name": label, "description": setting.doc.rstrip(".")}
    if setting.type == "bool":
        return bpy.props.BoolProperty(default=bool(default), **common)
    if setting.type == "choice":
        items = [(choice, choice.replace("_", " ").replace("-", " ").capitalize(), "") for choice in setting.choices]
        return bpy.props.EnumProperty(items=items, default=str(default), **common)
    if setting.type == "int":
        low = -LARGEST if setting.minimum is None else max(int(setting.minimum), -LARGEST)
        high = LARGEST if setting.maximum is None else min(int(setting.maximum), LARGEST)
        return bpy.props.IntProperty(default=int(default), min=low, max=high, **common)
    limits: dict[str, Any] = {}
    if setting.minimum is not None:
        limits["min"] = setting.minimum
    if setting.maximum is not None:
        limits["max"] = setting.maximum
    # Weights run over many orders of magnitude; six digits show what was typed.
    return bpy.props.FloatProperty(default=float(default), precision=6, **limits, **common)
