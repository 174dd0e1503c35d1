"""A ``MeshData`` as named arrays and plain values, for files that keep one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.methods.state import named, under
from protocol.mesh import MeshData

ATTRIBUTE = "attribute"


def mesh_arrays(mesh: MeshData) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Arrays and plain values of a mesh."""
    arrays: dict[str, NDArray[Any]] = {
        "vertices": mesh.vertices,
        "face_offsets": mesh.face_offsets,
        "face_indices": mesh.face_indices,
        "origin": mesh.origin,
    }
    attributes = {name: np.asarray(values) for name, values in mesh.attributes.items()}
    return arrays | named(ATTRIBUTE, attributes), {"scale": mesh.scale}


def mesh_from_arrays(arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> MeshData:
    """The mesh that ``mesh_arrays`` took apart."""
    return MeshData(
        vertices=arrays["vertices"],
        face_offsets=arrays["face_offsets"],
        face_indices=arrays["face_indices"],
        origin=arrays["origin"],
        scale=values["scale"],
        attributes=under(ATTRIBUTE, arrays),
    )
