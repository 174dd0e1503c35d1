"""The methods, presets and settings of a backend in plain text, from what it advertises."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from protocol.settings import MethodSpec, SettingSpec

WIDTH = 100


def settings_text(specs: Sequence[MethodSpec]) -> str:
    """Every method with its presets and its settings."""
    return "\n".join(line for spec in specs for line in _method(spec)) + "\n"


def _method(spec: MethodSpec) -> list[str]:
    lines = [f"{spec.name}: {spec.label}", *_wrapped(spec.doc, "  ")]
    lines.append(f"  topology: {' or '.join(spec.topologies)}")
    for preset, changes in spec.presets.items():
        changed = ", ".join(f"{name} = {value}" for name, value in changes.items()) or "the defaults"
        lines += _wrapped(f"preset {preset}: {changed}", "  ", "      ")
    for setting in spec.settings:
        lines += _setting(setting)
    return [*lines, ""]


def _setting(setting: SettingSpec) -> list[str]:
    unit = f" {setting.unit}" if setting.unit else ""
    return [
        f"  --set {setting.name}={setting.default}",
        *_wrapped(f"{setting.doc} ({setting.allowed()}{unit})", "      "),
    ]


def _wrapped(text: str, indent: str, after: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=after or indent)
