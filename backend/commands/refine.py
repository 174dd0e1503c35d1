"""``refine``: a frame of a trained morph is made to match outlines, and all frames are baked again."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.commands.interrupt import Interrupt
from backend.commands.output import REPORT, check_output, output_folder
from backend.commands.parser import CommandError, Parser, seconds, whole_number
from backend.commands.progress import Progress
from backend.commands.trained import HELP, MORPH, morph_file, read_morph

if TYPE_CHECKING:
    from backend.guidance.refine import Refined
    from backend.guidance.view import View
    from backend.methods.method import Morph
    from protocol.messages import Timeline

CAMERAS = (
    'A camera is a JSON object, in the coordinates of the frames. From Blender: {"kind": "blender", '
    '"matrix_world": [4 rows of 4 numbers], "width": pixels, "height": pixels, "lens": mm} and, where they are not '
    "Blender's defaults, sensor_width, sensor_height, sensor_fit, shift_x, shift_y, pixel_aspect_x and pixel_aspect_y; "
    "matrix_world is [list(row) for row in FRAME.matrix_world.inverted() @ CAMERA.matrix_world], where FRAME is a "
    "frame's PLY file, imported with Forward Y and Up Z. Around the origin: "
    '{"kind": "orbit", "azimuth": degrees, "elevation": degrees, "distance": D, "width": pixels, "height": pixels} '
    "and, if they are not 35 and 32 mm, lens and sensor; y is upwards, at azimuth 0 the camera stands at -z and looks "
    "along +z, at 90 at -x. difference_1.png shows what it sees."
)

KEPT = ("method", "preset", "settings", "seed", "topology", "refined")  # of a morph's facts, in the report


def add_arguments(parser: Parser) -> None:
    from backend.commands.job import GLTF_HELP, TIMELINE_DEFAULTS, add_timeline_options

    add = parser.add_argument
    add("morph", type=Path, metavar="MORPH", help=HELP)
    add(
        "--frame",
        type=int,
        metavar="K",
        required=True,
        help="the frame, counted from 0; neither the first nor the last",
    )
    add(
        "--mask",
        type=Path,
        metavar="IMAGE",
        action="append",
        required=True,
        help="what the frame shall cover: greyscale or black and white (white is the shape), or the alpha of an image "
        "that has one; may be repeated, for several views at once",
    )
    add(
        "--camera",
        type=Path,
        metavar="JSON",
        action="append",
        required=True,
        help="the camera that the mask is seen by, one for each mask in the same order",
    )
    add(
        "--reach",
        type=_share,
        default=1.0,
        metavar="R",
        help="how far the neighbours follow, above 0, at most 1: 1 (the default) is as far as the morph's ends, or a "
        "frame that was matched before; 0.5 is half that way",
    )
    add("--out", type=Path, metavar="DIR", required=True, help="folder for the result")
    add("--force", action="store_true", help="put the result into a folder that holds other files, too")
    add("--gltf", action="store_true", help=GLTF_HELP)
    add("--seconds", metavar="S", type=seconds, help="match for this long at most")
    add("--device", metavar="D", default="auto", help="auto (the default), cpu, cuda or mps")
    add(
        "--seed", metavar="K", type=whole_number(0, 2**31 - 1), default=0, help="seed of every random choice; default 0"
    )
    add_timeline_options(parser, "as many as the morph was baked with")
    parser.epilog = CAMERAS
    parser.set_defaults(**{**dict.fromkeys(TIMELINE_DEFAULTS), "carry": []})


def run(arguments: argparse.Namespace) -> int:
    arguments.morph = morph_file(arguments.morph)
    given = [arguments.morph, *arguments.mask, *arguments.camera, *arguments.carry]
    check_output(arguments.out, arguments.force, given)
    with Progress() as progress, Interrupt(progress.note, at_once=True) as interrupt:
        progress("starting")
        report = _refine(arguments, progress, interrupt)
    sys.stdout.write(_summary(arguments, report))
    return 130 if report["interrupted"] or interrupt.asked else 0


def _refine(arguments: argparse.Namespace, progress: Progress, interrupt: Interrupt) -> dict[str, Any]:
    from backend.checkpoint import refined_to_bytes
    from backend.commands.local_job import bake_here
    from backend.commands.result import ResultFolder, carry_names, complete_report
    from backend.device import choose_device, configure
    from backend.geometry.io import read_mesh
    from backend.guidance.refine import RefineSettings
    from backend.pipeline import versions

    configure()
    device = choose_device(arguments.device.lower())
    morph, facts = read_morph(arguments.morph)
    timeline = _timeline(arguments)
    time = _time_of(arguments.frame, timeline, morph)
    views = _views(arguments.mask, arguments.camera)
    carry = tuple(read_mesh(path) for path in arguments.carry)
    morph = morph.at_resolution(timeline.resolution, largest_part=timeline.largest_part)
    with output_folder(arguments.out, arguments.force) as folder:
        settings = RefineSettings(reach=arguments.reach)
        refined, spent = _matched(morph, time, views, settings, arguments, device, progress, interrupt)
        stopped = "matching" if interrupt.next_part() else None
        facts["refined"] = [*facts.get("refined", ()), {"frame": arguments.frame, **refined.report}]
        (folder / MORPH).write_bytes(refined_to_bytes(refined.morph, facts))
        _draw(folder, views, refined)
        result = ResultFolder(folder, timeline.frames, carry_names(arguments.carry), keep_all=arguments.gltf)
        if not bake_here(refined.morph, timeline, carry, result, progress, interrupt):
            stopped = "baking"
        report = {
            "files": {
                "morph": str(arguments.morph),
                "masks": [str(path) for path in arguments.mask],
                "cameras": [str(path) for path in arguments.camera],
            },
            **{name: facts[name] for name in KEPT if name in facts},
            "phases": spent,
            "versions": versions(),
            "warnings": refined.report["warnings"],
        }
        if arguments.gltf:
            report = result.with_gltf(report)
        progress("drawing")
        with result.phase("drawing"):
            result.draw()
        return complete_report(result, timeline, report, stopped)


def _matched(
    morph: Morph,
    time: float,
    views: list[View],
    settings: Any,
    arguments: argparse.Namespace,
    device: Any,
    progress: Progress,
    interrupt: Interrupt,
) -> tuple[Refined, dict[str, Any]]:
    """The match, and the time that its parts took. Ctrl-C keeps the best so far, if there is any."""
    from backend.commands.watch import Watch
    from backend.guidance.refine import refine
    from backend.training.run import Cancelled

    run = Watch(progress, interrupt).begin(device, arguments.seed, arguments.seconds)
    try:
        refined = refine(morph, time, views, settings, run)
    except Cancelled:
        raise KeyboardInterrupt from None
    phases = {name: {"seconds": wall, "cpu_seconds": cpu} for name, (wall, cpu) in run.phase_seconds.items()}
    return refined, phases


def _timeline(arguments: argparse.Namespace) -> Timeline:
    """What is asked for; else as in the report beside the morph, whose frames the user has seen."""
    from backend.commands.job import TIMELINE_DEFAULTS, timeline_of
    from protocol.messages import Timeline

    known = _reported(arguments.morph.parent / REPORT)
    for name in (field.name for field in fields(Timeline)):
        if getattr(arguments, name, None) is None:
            setattr(arguments, name, known.get(name, TIMELINE_DEFAULTS.get(name)))
    return timeline_of(arguments)


def _reported(path: Path) -> dict[str, Any]:
    """The timeline in a report, as far as it is one."""
    import json

    from backend.commands.job import TIMELINE_DEFAULTS

    try:
        found = json.loads(path.read_text(encoding="utf-8")).get("timeline")
    except (OSError, ValueError, AttributeError):
        return {}
    kinds = {name: type(value) for name, value in TIMELINE_DEFAULTS.items()}
    known = found if isinstance(found, dict) else {}
    return {name: value for name, value in known.items() if name in kinds and type(value) is kinds[name]}


def _time_of(frame: int, timeline: Timeline, morph: Morph) -> float:
    """When a frame is; one between the ends."""
    from backend.timeline import times_of

    last = timeline.frames - 1
    if not 0 <= frame <= last:
        raise CommandError(f"--frame {frame}: there are frames 0 to {last}; choose one between the first and the last")
    if frame in (0, last):
        end = "first" if frame == 0 else "last"
        between = f"choose one of 1 to {last - 1}" if last > 1 else "bake more frames (--frames)"
        raise CommandError(f"--frame {frame}: the {end} frame stays what it is; {between}")
    return float(times_of(timeline, morph)[frame])


def _views(masks: list[Path], cameras: list[Path]) -> list[View]:
    """Each mask with its camera."""
    from backend.guidance.mask_file import read_mask
    from backend.guidance.view import View
    from backend.rendering.camera_file import read_camera

    if len(masks) != len(cameras):
        raise CommandError(f"there are {len(masks)} masks and {len(cameras)} cameras; give one camera for each mask")
    return [View(read_mask(mask), read_camera(camera)) for mask, camera in zip(masks, cameras, strict=True)]


def _draw(folder: Path, views: list[View], refined: Refined) -> None:
    """A picture for each view of what is mask only, shape only and both, before and after."""
    import numpy as np

    from backend.evaluation.difference_picture import difference_picture
    from backend.guidance.view import covered

    for number, (view, agreed) in enumerate(zip(views, refined.report["views"], strict=True), 1):
        captions = f"before: IoU {agreed['iou_before']:.3f}", f"after: IoU {agreed['iou']:.3f}"
        meshes = refined.before, refined.after
        seen = [covered(mesh.positions(), mesh.triangles().astype(np.int64), view.camera) for mesh in meshes]
        difference_picture(view.inside, dict(zip(captions, seen, strict=True)), folder / f"difference_{number}.png")


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and at most 1")
    return value


def _summary(arguments: argparse.Namespace, report: dict[str, Any]) -> str:
    done = report["refined"][-1]
    lines = [f"warning: {warning}" for warning in report["warnings"]]
    if report["interrupted"]:
        lines.append(f"stopped while {report['interrupted']}; what was done is kept")
    for path, view in zip(arguments.mask, done["views"], strict=True):
        lines.append(f"frame {done['frame']} and {path} agree by {view['iou']:.1%} (before: {view['iou_before']:.1%})")
    lines.append(f"{report['frames']} frames: {arguments.out}")
    return "\n".join(lines) + "\n"
