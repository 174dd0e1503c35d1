"""The options that describe a job, and the ``MorphRequest`` they make. A ``--config`` file knows the same options."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from backend.commands.parser import CommandError, Parser, choice, seconds, whole_number
from protocol.checks import MAX_FRAMES, RESOLUTIONS, check_request
from protocol.limits import LIMITS, WireError
from protocol.mesh import MeshData
from protocol.messages import CORRESPONDENCES, EASINGS, MATCHINGS, TOPOLOGIES, MorphRequest, Stop, Timeline
from protocol.settings import MethodSpec, SettingError, SettingValue

DEFAULTS: Final[dict[str, Any]] = {
    "method": "velocity_field",
    "correspondence": "auto",
    "landmarks": None,
    "model": None,
    "topology": "auto",
    "through": [],
    "through_tables": [],
    "preset": "standard",
    "seconds": None,
    "device": "auto",
    "seed": 0,
    "set": [],
}
TIMELINE_DEFAULTS: Final[dict[str, Any]] = {
    "frames": Timeline.frames,
    "easing": Timeline.easing,
    "constant_speed": Timeline.constant_speed,
    "reverse": Timeline.reverse,
    "resolution": Timeline.resolution,
    "largest_part": Timeline.largest_part,
    "carry": [],
}
LANDMARKS_HELP = (
    'a few vertices that belong together, JSON: {"pairs": [[source vertex, target vertex], ...]}, or points on the '
    'two: {"points": [[[x, y, z], [x, y, z]], ...]}'
)
GLTF_HELP = "write morph.glb, too: one file with morph targets and UVs"


def add_job_options(parser: argparse.ArgumentParser) -> None:
    """What is trained. The defaults are ``DEFAULTS``; they are set by the caller."""
    add = parser.add_argument
    add("--method", metavar="NAME", help="velocity_field (the default) or another one that --list-settings tells")
    add(
        "--correspondence",
        metavar="WAY",
        help=f"vertex-order, a table (.npy, .npz), a way to find a match ({', '.join(MATCHINGS)}), or auto (the "
        "default): the vertex order when counts and faces agree, and else the best match that is found",
    )
    add("--landmarks", metavar="FILE", type=Path, help=LANDMARKS_HELP)
    add(
        "--model",
        metavar="MODEL",
        type=Path,
        help="for implicit-dense: a file of correspond-train; default the shipped one, of chairs",
    )
    add(
        "--topology",
        metavar="T",
        type=choice(*TOPOLOGIES),
        help="keep (the source's own faces), remesh (a closed surface of its own in every frame), or auto (the "
        "default): what the pair needs; the report says why",
    )
    add("--through", metavar="MESH", nargs="+", type=Path, help="poses of the source to pass through, in order")
    add(
        "--through-tables",
        metavar="FILE",
        nargs="+",
        type=Path,
        help="a table for each of them; without, they have the source's vertex order",
    )
    add("--preset", metavar="P", help="draft, standard (the default), high, paper or sequence")
    add("--seconds", metavar="S", type=seconds, help="prepare and train this long, instead of the steps of the preset")
    add("--device", metavar="D", help="auto (the default), cpu, cuda or mps")
    add("--seed", metavar="K", type=whole_number(0, 2**31 - 1), help="seed of every random choice; default 0")
    add("--set", metavar="NAME=VALUE", action="append", help="one setting of the method; may be repeated")


def add_timeline_options(parser: argparse.ArgumentParser, frames: str = "24") -> None:
    """Which frames are baked. The defaults are ``TIMELINE_DEFAULTS``, or others of the caller's; they are set by it."""
    add = parser.add_argument
    add("--frames", metavar="N", type=whole_number(2, MAX_FRAMES), help=f"frames, both ends included; default {frames}")
    add("--easing", type=choice(*EASINGS), metavar="E", help=f"{', '.join(EASINGS)}; default linear")
    add("--constant-speed", action=argparse.BooleanOptionalAction, help="re-time so that the mean speed is constant")
    add("--reverse", action=argparse.BooleanOptionalAction, help="the same motion played backwards, its easing, too")
    add(
        "--resolution",
        metavar="N",
        type=whole_number(*RESOLUTIONS),
        help="cells along the longest side of a frame that has faces of its own, "
        f"{RESOLUTIONS[0]} to {RESOLUTIONS[1]}; default 128",
    )
    add(
        "--largest-part",
        action=argparse.BooleanOptionalAction,
        help="leave only the largest connected part of such a frame",
    )
    add("--carry", metavar="OBJ", nargs="+", type=Path, help="mesh files that ride along (eyes, clothes, props)")


def read_config(path: Path) -> dict[str, Any]:
    """The options in a TOML file: keys are options of the command, the table [settings] is the method's settings."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{path}: is not a TOML file ({error})") from error
    settings = table.pop("settings", {})
    if not isinstance(settings, dict):
        raise CommandError(f"{path}: settings is a table, [settings], with a line NAME = VALUE for every setting")
    parser = Parser("tweenfield morph", "")
    add_job_options(parser)
    add_timeline_options(parser)
    parser.set_defaults(**DEFAULTS, **TIMELINE_DEFAULTS)
    known = vars(parser.parse_args([]))
    parser.set_defaults(**dict.fromkeys(known))
    for name, value in table.items():
        if name.replace("-", "_") not in known:
            what = f"table [{name}]; there is [settings]" if isinstance(value, dict) else f"entry {name!r}"
            raise CommandError(f"{path}: unknown {what} (entries are the options that morph --help lists)")
        if isinstance(known[name.replace("-", "_")], bool) and not isinstance(value, bool):
            raise CommandError(f"{path}: {name} is {value!r}; it must be true or false")
    tokens = [token for name, value in table.items() for token in _tokens(path, name.replace("_", "-"), value)]
    tokens += [f"--set={name}={_text(value)}" for name, value in settings.items()]
    try:
        values = vars(parser.parse_args(tokens))
    except CommandError as error:
        fault = str(error).removeprefix("argument --").partition(" (see ")[0]
        raise CommandError(f"{path}: {fault}") from error
    return {name: value for name, value in values.items() if value is not None}


def _tokens(path: Path, name: str, value: object) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    if isinstance(value, list):
        return [f"--{name}", *(str(entry) for entry in value)]
    if isinstance(value, str | int | float):
        return [f"--{name}={value}"]
    raise CommandError(f"{path}: {name} is {value!r}; it must be a word, a number, true, false or a list")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def settings_of(words: Sequence[str]) -> dict[str, SettingValue]:
    """The settings of ``NAME=VALUE`` words; the last of a name holds."""
    settings: dict[str, SettingValue] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.strip():
            raise CommandError(f"--set {word}: write NAME=VALUE")
        settings[name.strip().replace("-", "_")] = _value(value.strip())
    return settings


def _value(text: str) -> SettingValue:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def find_method(specs: Sequence[MethodSpec], name: str) -> MethodSpec:
    """The spec called ``name``, in either spelling."""
    for spec in specs:
        if spec.name == name.replace("-", "_").lower():
            return spec
    raise SettingError(f"there is no method {name!r}; there are {', '.join(spec.name for spec in specs)}")


def find_preset(spec: MethodSpec, name: str) -> str:
    """The preset called ``name``, in either spelling."""
    for preset in spec.presets:
        if preset.replace("-", "_") == name.replace("-", "_").lower():
            return preset
    raise SettingError(f"method {spec.name} has no preset {name!r}; it has {', '.join(spec.presets)}")


def timeline_of(arguments: argparse.Namespace) -> Timeline:
    """The timeline that the options describe."""
    return Timeline(
        arguments.frames,
        arguments.easing,
        bool(arguments.constant_speed),
        bool(arguments.reverse),
        arguments.resolution,
        bool(arguments.largest_part),
    )


def request_of(arguments: argparse.Namespace, specs: Sequence[MethodSpec]) -> MorphRequest:
    """Reads the meshes and the table, and checks every setting against the methods of this backend."""
    from backend.correspondence.landmark_file import read_landmarks
    from backend.correspondence.table import check_pairs, read_table
    from backend.geometry.io import read_mesh

    spec = find_method(specs, arguments.method)
    preset = find_preset(spec, arguments.preset)
    settings = settings_of(arguments.set)
    spec.resolve(preset, settings)
    spec.check_topology(arguments.topology, specs)
    source, target = read_mesh(arguments.source), read_mesh(arguments.target)
    way = arguments.correspondence.replace("_", "-").lower()
    pairs = weights = landmarks = None
    if way == "table" or way not in CORRESPONDENCES:
        way, table = "table", Path(arguments.correspondence)
        pairs, weights = read_table(table, source.n_vertices)
        check_pairs(pairs, weights, source.n_vertices, target.n_vertices, str(table))
    if arguments.landmarks is not None:
        landmarks = read_landmarks(arguments.landmarks, source, target)
    request = MorphRequest(
        source=source,
        target=target,
        method=spec.name,
        etag=spec.etag,
        preset=preset,
        settings=settings,
        correspondence=way,
        pairs=None if pairs is None else pairs.astype("int32"),
        weights=None if weights is None else weights.astype("float32"),
        timeline=timeline_of(arguments),
        carry=tuple(read_mesh(path) for path in arguments.carry),
        seconds=arguments.seconds,
        seed=arguments.seed,
        device=arguments.device.lower(),
        topology=arguments.topology,
        stops=_stops(arguments.through, arguments.through_tables, source),
        landmarks=None if landmarks is None else landmarks.astype("int32"),
        model=None if arguments.model is None else _bytes(arguments.model),
    )
    try:
        check_request(request, LIMITS, "the job")
    except WireError as error:
        raise CommandError(error.message) from error
    return request


def _bytes(path: Path) -> NDArray[np.uint8]:
    """What is in a file [B]."""
    try:
        return np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise CommandError(f"{path}: cannot be read ({error.strerror or error})") from error


def _stops(paths: Sequence[Path], tables: Sequence[Path], source: MeshData) -> tuple[Stop, ...]:
    """The poses between source and target, with their tables if there are any."""
    from backend.correspondence.table import check_pairs, read_table
    from backend.geometry.io import read_mesh

    if tables and len(tables) != len(paths):
        raise CommandError(
            f"--through names {len(paths)} meshes and --through-tables {len(tables)} files; give one for each, or none"
        )
    meshes = [read_mesh(path) for path in paths]
    if not tables:
        return tuple(Stop(mesh) for mesh in meshes)
    stops = []
    for mesh, table in zip(meshes, tables, strict=True):
        pairs, weights = read_table(table, source.n_vertices)
        check_pairs(pairs, weights, source.n_vertices, mesh.n_vertices, str(table))
        stops.append(Stop(mesh, pairs.astype("int32"), None if weights is None else weights.astype("float32")))
    return tuple(stops)
