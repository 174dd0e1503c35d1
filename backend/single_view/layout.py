"""Folders of training data as MeshSDF publishes them.

``CLASS/samples/NAME.npz`` has samples of the signed distance, ``pos`` and ``neg`` [N, 4], outside and inside;
``CLASS/renders/NAME/`` has ``00.png``, ``01.png`` … with alpha and ``rendering_metadata.txt``, the camera of each;
``CLASS/meshes/NAME.obj`` has the shape, which only measuring needs. The three folders may lie deeper or higher, and
that of the samples may be called ``SdfSamples``, with more folders below it, as DeepSDF has it: the other two are then
beside it, and the same below.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.geometry.arrays import Float64, Int64
from backend.geometry.io import read_mesh
from backend.single_view.framing import Pixels, check_image, frame_of
from backend.single_view.views import METADATA, View, read_metadata
from backend.surfaces.mesh_sdf.samples import Samples, read_side
from protocol.settings import SettingError

SAMPLES, RENDERS, MESHES = "samples", "renders", "meshes"
NAMES = (SAMPLES, "SdfSamples")  # of the folder with the samples
LARGEST = 8192  # pixels of a side that every image may have
KEPT = 2_000_000_000  # bytes of images and samples that are kept in memory


@dataclass
class Memory:
    """What was read of a folder, as long as there is room for it."""

    held: dict[tuple[Path, int, bool], NDArray[np.generic]] = field(default_factory=dict)
    size: int = 0  # bytes

    def keep(self, key: tuple[Path, int, bool], array: NDArray[np.generic]) -> None:
        if self.size + array.nbytes <= KEPT:
            self.held[key] = array
            self.size += array.nbytes


@dataclass(frozen=True, eq=False)
class Instance:
    """One shape of a dataset."""

    name: str  # its path, as a split names it
    samples_file: Path
    renders: Path
    mesh_file: Path
    views: tuple[View, ...]
    memory: Memory

    def samples(self) -> tuple[Samples, Samples]:
        """Outside and inside. Raises ``SettingError``."""
        sides = []
        for number, side in enumerate(("pos", "neg")):
            key = (self.samples_file, number, False)
            if key not in self.memory.held:
                self.memory.keep(key, array := read_side(self.samples_file, side))
                sides.append(array)
            else:
                sides.append(self.memory.held[key].astype(np.float32, copy=False))
        return sides[0], sides[1]

    def image_file(self, view: int) -> Path:
        return self.renders / f"{view:02d}.png"

    def image(self, view: int, side: int, framed: bool) -> Pixels:
        """A render as the encoder sees it, [side, side, 4]. Raises ``SettingError``."""
        path = self.image_file(view)
        key = (path, side, framed)
        if key not in self.memory.held:
            whole = read_image(path)
            image = frame_of(whole, side, framed).cut(whole)
            self.memory.keep(key, image)
            return image
        return self.memory.held[key].astype(np.uint8, copy=False)

    def mesh(self) -> tuple[Float64, Int64]:
        """Positions [V, 3] and triangles [T, 3]. Raises ``SettingError`` where the dataset has none."""
        if not self.mesh_file.is_file():
            raise SettingError(f"{self.mesh_file}: is missing; measuring needs the meshes of the dataset")
        mesh = read_mesh(self.mesh_file)
        return mesh.positions(), mesh.triangles().astype(np.int64)


def instances_in(folder: Path) -> list[Instance]:
    """Every shape below a folder, sorted by name. Raises ``SettingError`` where there is none, or half of one."""
    files = sorted(path for path in folder.rglob("*.npz") if _of_samples(path.relative_to(folder)) is not None)
    if not files:
        raise SettingError(
            f"{folder}: holds no dataset; it must have CLASS/samples/NAME.npz, CLASS/renders/NAME/00.png and "
            f"CLASS/renders/NAME/{METADATA} (single-view dataset makes one of meshes)"
        )
    memory = Memory()
    return [_instance(folder, path.relative_to(folder), memory) for path in files]


def read_image(path: Path) -> Pixels:
    """A file's pixels [H, W, 4], with an alpha channel. Raises ``SettingError``."""
    if not path.is_file():
        what = "is a folder; name one image" if path.is_dir() else "there is no such image; check the path"
        raise SettingError(f"{path}: {what}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                alpha = "A" in image.getbands() or "transparency" in image.info
                pixels = np.asarray(image.convert("RGBA" if alpha else "RGB"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SettingError(
            f"{path}: has more than {Image.MAX_IMAGE_PIXELS:,} pixels; save it smaller, {LARGEST} x {LARGEST} at most"
        ) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        reason = getattr(error, "strerror", None)
        what = f"cannot be read ({reason})" if reason else "is no image that can be read, or damaged"
        raise SettingError(f"{path}: {what}; name a PNG with transparency") from error
    check_image(pixels, str(path))
    return pixels


def write_obj(path: Path, positions: Float64, triangles: Int64) -> None:
    """The shape, positions [V, 3] and triangles [T, 3], as published datasets have it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"v {x:.7g} {y:.7g} {z:.7g}" for x, y, z in positions.tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (triangles + 1).tolist()]
    path.write_text("\n".join(lines) + "\n", encoding="ascii", newline="\n")


def _of_samples(path: Path) -> int | None:
    """Which part of a path is the folder of the samples."""
    places = [number for number, part in enumerate(path.parts[:-1]) if part in NAMES]
    return places[-1] if places else None


def _instance(folder: Path, path: Path, memory: Memory) -> Instance:
    place = _of_samples(path)
    assert place is not None
    above, below = path.parts[:place], PurePosixPath(*path.parts[place + 1 :]).with_suffix("")
    renders = folder.joinpath(*above, RENDERS, *below.parts)
    mesh = folder.joinpath(*above, MESHES, *below.parts)
    views = read_metadata(renders / METADATA)
    instance = Instance(
        PurePosixPath(*path.parts).with_suffix("").as_posix(),
        folder / path,
        renders,
        mesh.with_name(f"{mesh.name}.obj"),
        tuple(views),
        memory,
    )
    missing = [instance.image_file(view) for view in range(len(views)) if not instance.image_file(view).is_file()]
    if missing or not views:
        what = f"{missing[0]}: is missing" if missing else f"{renders / METADATA}: is empty"
        raise SettingError(f"{what}; every line of {METADATA} needs its image, 00.png for the first")
    return instance
