"""Choices among what the backend offers, kept by name: a file may have one that this backend does not know."""

from typing import Any

import bpy

from .generated import Methods

Items = list[tuple[str, str, str]]


class _Kept:
    """Every list of items that Blender was ever given: it keeps pointers into them, and nothing of its own."""

    def __init__(self) -> None:
        self._lists: dict[tuple[tuple[str, str, str], ...], Items] = {}

    def __call__(self, items: Items) -> Items:
        return self._lists.setdefault(tuple(items), items)


kept = _Kept()


def title(name: str) -> str:
    return name.replace("_", " ").replace("-", " ").capitalize()


def with_chosen(items: Items, chosen: str) -> Items:
    """The items, and what was chosen even where the backend does not offer it (any more)."""
    return items if any(item[0] == chosen for item in items) else [*items, (chosen, title(chosen), "")]


def index_of(items: Items, name: str) -> int:
    return next(index for index, item in enumerate(items) if item[0] == name)


def method_and_preset(methods: Methods, method_doc: str, preset_doc: str) -> tuple[Any, Any]:
    """Two properties of a group that keeps ``method_name`` and ``preset_name``."""

    def method_items(self: Any, context: Any) -> Items:
        items = [(spec.name, spec.label, spec.doc) for spec in methods.specs.values()]
        return kept(with_chosen(items, self.method_name))

    def preset_items(self: Any, context: Any) -> Items:
        spec = methods.specs.get(self.method_name)
        items = [(name, title(name), "") for name in spec.presets] if spec is not None else []
        return kept(with_chosen(items, self.preset_name))

    def get_method(self: Any) -> int:
        return index_of(method_items(self, None), self.method_name)

    def set_method(self: Any, index: int) -> None:
        self.method_name = method_items(self, None)[index][0]
        spec = methods.specs.get(self.method_name)
        if spec is not None and self.preset_name not in spec.presets:
            set_preset(self, 0)

    def get_preset(self: Any) -> int:
        return index_of(preset_items(self, None), self.preset_name)

    def set_preset(self: Any, index: int) -> None:
        self.preset_name = preset_items(self, None)[index][0]
        spec = methods.specs.get(self.method_name)
        if spec is not None and self.preset_name in spec.presets:
            methods.apply_preset(self.id_data, spec, self.preset_name)

    enum: Any = bpy.props.EnumProperty
    method = enum(name="Method", description=method_doc, items=method_items, get=get_method, set=set_method)
    preset = enum(name="Preset", description=preset_doc, items=preset_items, get=get_preset, set=set_preset)
    return method, preset
