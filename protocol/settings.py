"""``SettingSpec``: a method's setting as data, so that the panel and the command line are generated from it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import msgpack

SettingValue = bool | int | float | str


class SettingError(ValueError):
    """A setting that does not exist or has a value outside its range; the message names both."""


@dataclass(frozen=True)
class SettingSpec:
    """One setting: its name, type, default, range, unit and meaning."""

    name: str
    type: Literal["bool", "int", "float", "choice"]
    default: SettingValue
    doc: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""

    def check(self, value: object) -> SettingValue:
        """The value in this setting's type; ``SettingError`` if it is not one of its values."""
        if self.type == "bool" and isinstance(value, bool):
            return value
        if self.type == "choice" and isinstance(value, str):
            spelled = {choice.replace("-", "_"): choice for choice in self.choices}
            if value.replace("-", "_") in spelled:
                return spelled[value.replace("-", "_")]
        if self.type in ("int", "float") and isinstance(value, int | float) and not isinstance(value, bool):
            whole = self.type == "float" or float(value).is_integer()
            above = self.minimum is None or value >= self.minimum
            below = self.maximum is None or value <= self.maximum
            if math.isfinite(value) and whole and above and below:
                return float(value) if self.type == "float" else int(value)
        raise SettingError(f"{self.name} is {value!r}; it must be {self.allowed()}")

    def allowed(self) -> str:
        """The allowed values in words."""
        if self.type == "bool":
            return "true or false"
        if self.type == "choice":
            return "one of " + ", ".join(self.choices)
        noun = "a whole number" if self.type == "int" else "a number"
        if self.minimum is not None and self.maximum is not None:
            return f"{noun} from {self.minimum:g} to {self.maximum:g}"
        if self.minimum is not None:
            return f"{noun}, at least {self.minimum:g}"
        return noun if self.maximum is None else f"{noun}, at most {self.maximum:g}"


@dataclass(frozen=True)
class MethodSpec:
    """A morph method as the backend advertises it."""

    name: str
    label: str
    doc: str
    needs_correspondence: bool
    settings: tuple[SettingSpec, ...]
    presets: Mapping[str, Mapping[str, SettingValue]]  # preset name -> the settings it changes
    topologies: tuple[str, ...] = ("keep",)  # what the method can make: keep, remesh, or both

    @property
    def etag(self) -> str:
        """Changes whenever a setting, a default, a range or a preset changes; a submission repeats it."""
        plain = asdict(self)
        del plain["topologies"]  # no setting; version 1.0 does not have it
        for setting in plain["settings"]:  # 0 and 0.0 are one range, whichever of them was written down
            for end in ("minimum", "maximum"):
                setting[end] = None if setting[end] is None else float(setting[end])
        return hashlib.sha256(msgpack.packb(plain)).hexdigest()[:16]

    def check_topology(self, asked: str, others: Sequence[MethodSpec] = ()) -> None:
        """``SettingError`` where the method cannot make the topology that was asked for; it names those that can."""
        if asked != "auto" and asked not in self.topologies:
            made = " or ".join((*self.topologies, "auto"))
            able = " or ".join(other.name for other in others if asked in other.topologies) or "another one"
            raise SettingError(
                f"method {self.name} does not make topology {asked!r}; ask for {made}, or choose method {able}"
            )

    def resolve(self, preset: str, changed: Mapping[str, object]) -> dict[str, SettingValue]:
        """Every setting's value: defaults, then the preset, then what was changed by hand. Raises ``SettingError``."""
        if preset not in self.presets:
            raise SettingError(f"method {self.name} has no preset {preset!r}; it has " + ", ".join(self.presets))
        specs = {spec.name: spec for spec in self.settings}
        values: dict[str, SettingValue] = {name: spec.default for name, spec in specs.items()}
        values.update(self.presets[preset])
        for name, value in changed.items():
            key = name.replace("-", "_")
            if key not in specs:
                raise SettingError(f"method {self.name} has no setting {name!r}; it has " + ", ".join(specs))
            values[key] = specs[key].check(value)
        return values
