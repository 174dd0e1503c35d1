"""Settings of a method as a frozen dataclass whose fields carry their ``SettingSpec``."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, cast

from protocol.settings import SettingSpec, SettingValue


@dataclass(frozen=True)
class NoSettings:
    """Of a method that has nothing to set."""


def setting(
    default: SettingValue,
    doc: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    unit: str = "",
) -> Any:
    """A dataclass field that is advertised to the panel and the command line."""
    return field(
        default=default,
        metadata={"doc": doc, "minimum": minimum, "maximum": maximum, "choices": choices, "unit": unit},
    )


def specs_of(settings_type: type) -> tuple[SettingSpec, ...]:
    """The ``SettingSpec`` of every field of a settings dataclass, in order."""
    return tuple(_spec(f.name, f.default, dict(f.metadata)) for f in fields(settings_type) if f.default is not MISSING)


def _spec(name: str, default: SettingValue, metadata: dict[str, Any]) -> SettingSpec:
    kind = "choice" if isinstance(default, str) else type(default).__name__
    return SettingSpec(
        name=name, type=cast(Literal["bool", "int", "float", "choice"], kind), default=default, **metadata
    )
