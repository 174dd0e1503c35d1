"""The families of networks that a fitted field can have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.fields.distance_lipschitz import DistanceLipschitz
from backend.fields.distance_mlp import DistanceMlp
from backend.fields.distance_network import DistanceNetwork
from backend.fields.one_lipschitz import OneLipschitz
from backend.fields.orthogonal import Orthogonal
from protocol.settings import SettingError

FAMILIES: Mapping[str, type[DistanceNetwork]] = {
    family.family: family for family in (DistanceMlp, DistanceLipschitz, OneLipschitz, Orthogonal)
}


def network_of(family: str, form: Mapping[str, Any]) -> DistanceNetwork:
    """A network of a family, its weights not yet set. Raises ``SettingError``."""
    if family not in FAMILIES:
        raise SettingError(f"there is no network {family!r} here; there are " + ", ".join(FAMILIES))
    return FAMILIES[family](**form)
