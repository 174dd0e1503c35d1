"""Cameras as JSON files: one of three kinds, told apart by ``kind``.

``orbit`` has the fields of ``OrbitCamera``, ``blender`` those of ``BlenderCamera``; ``pinhole`` has the size of the
images and, for every view, what ``Camera`` holds of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np

from backend.geometry.arrays import Float64
from backend.rendering.camera import Camera, OrbitCamera, blender_view
from protocol.blender_camera import SENSOR_FITS, BlenderCamera
from protocol.settings import SettingError

KINDS = ("orbit", "blender", "pinhole")
LARGEST_SIDE = 16384  # pixels
POSITIVE = ("lens", "sensor", "sensor_width", "sensor_height", "distance", "pixel_aspect_x", "pixel_aspect_y")
VIEW = {"world_to_camera": (4, 4), "focal": (2,), "centre": (2,)}


def read_camera(path: Path) -> Camera:
    """The camera of a file. Raises ``SettingError`` saying what is wrong with it."""
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingError(f"the camera {path} cannot be read ({error.strerror}); name a JSON file") from error
    except ValueError as error:
        raise SettingError(f"the camera {path} is no JSON file: {error}; name one with the field kind") from error
    try:
        return camera_from_facts(facts)
    except SettingError as error:
        raise SettingError(f"the camera {path}: {error}") from error


def write_camera(path: Path, camera: Camera) -> None:
    """Writes all views, as ``pinhole``; reading gives the same numbers."""
    views = [{name: getattr(camera, name)[view].tolist() for name in VIEW} for view in range(len(camera))]
    facts = {"kind": "pinhole", "width": camera.width, "height": camera.height, "views": views}
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def camera_from_facts(facts: Any) -> Camera:
    """The camera of what a JSON file holds."""
    if not isinstance(facts, dict):
        raise SettingError("it must be an object with the field kind")
    if "kind" not in facts:
        raise SettingError(f"the field kind is missing; it must be one of {', '.join(KINDS)}")
    if facts["kind"] not in KINDS:
        raise SettingError(f"its kind is {facts['kind']!r}; it must be one of {', '.join(KINDS)}")
    given = {name: value for name, value in facts.items() if name != "kind"}
    if facts["kind"] == "orbit":
        _known(given, OrbitCamera)
        return OrbitCamera(**{name: _scalar(name, value) for name, value in given.items()}).camera()
    if facts["kind"] == "blender":
        return _blender(given)
    return _pinhole(given)


def _blender(given: Mapping[str, Any]) -> Camera:
    _known(given, BlenderCamera)
    scalars = {k: _scalar(k, v) for k, v in given.items() if k not in ("matrix_world", "sensor_fit")}
    fit = given.get("sensor_fit", "AUTO")
    if fit not in SENSOR_FITS:
        raise SettingError(f"sensor_fit is {fit!r}; it must be one of {', '.join(SENSOR_FITS)}")
    matrix = _invertible("matrix_world", _array("matrix_world", given["matrix_world"], (4, 4)))
    return blender_view(BlenderCamera(tuple(map(tuple, matrix.tolist())), sensor_fit=fit, **scalars))


def _pinhole(given: Mapping[str, Any]) -> Camera:
    _names(given, ("width", "height", "views"), ("width", "height", "views"))
    width, height = (_scalar(name, given[name]) for name in ("width", "height"))
    views = given["views"]
    if not isinstance(views, list) or not views or not all(isinstance(view, dict) for view in views):
        raise SettingError("views must be a list of at least one object")
    for view in views:
        _names(view, tuple(VIEW), tuple(VIEW))
    arrays = {name: np.stack([_array(name, view[name], shape) for view in views]) for name, shape in VIEW.items()}
    for matrix in arrays["world_to_camera"]:
        _invertible("world_to_camera", matrix)
    if not (arrays["focal"] > 0.0).all():
        raise SettingError("focal must be above 0")
    return Camera(**arrays, width=width, height=height)


def _known(given: Mapping[str, Any], kind: type[OrbitCamera] | type[BlenderCamera]) -> None:
    """Raises where fields without a default are missing, or others are there."""
    needed = [field.name for field in fields(kind) if field.default is MISSING]
    _names(given, tuple(needed), tuple(field.name for field in fields(kind)))


def _names(given: Mapping[str, Any], needed: tuple[str, ...], allowed: tuple[str, ...]) -> None:
    for name in needed:
        if name not in given:
            raise SettingError(f"the field {name} is missing; it needs {', '.join(needed)}")
    for name in given:
        if name not in allowed:
            raise SettingError(f"the field {name} is unknown; it may have {', '.join(allowed)}")


def _scalar(name: str, value: Any) -> Any:
    """A number as its field takes it: pixels of a side are whole, lengths above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SettingError(f"{name} is {value!r}; it must be a number")
    if name in ("width", "height"):
        if value != int(value) or not 1 <= value <= LARGEST_SIDE:
            raise SettingError(f"{name} is {value!r}; it must be a whole number of pixels from 1 to {LARGEST_SIDE}")
        return int(value)
    if name in POSITIVE and value <= 0.0:
        raise SettingError(f"{name} is {value!r}; it must be above 0")
    return float(value)


def _array(name: str, value: Any, shape: tuple[int, ...]) -> Float64:
    wanted = f"{name} must be {' rows of '.join(map(str, shape))} numbers"
    try:
        array = np.array(value)
    except ValueError as error:
        raise SettingError(wanted) from error
    if array.shape != shape or array.dtype.kind not in "if" or not np.isfinite(array).all():
        raise SettingError(wanted)
    return array.astype(np.float64)


def _invertible(name: str, matrix: Float64) -> Float64:
    """The matrix, if it is one of a camera: last row 0 0 0 1, no axis without a length or within the others."""
    axes = matrix[:3, :3]
    volume = float(abs(np.linalg.det(axes)))
    if not np.array_equal(matrix[3], [0.0, 0.0, 0.0, 1.0]):
        raise SettingError(f"the last row of {name} must be 0 0 0 1")
    if volume <= 1e-9 * float(np.prod(np.linalg.norm(axes, axis=0))):
        raise SettingError(f"{name} is flat: its three axes do not span space")
    return matrix
