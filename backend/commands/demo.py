"""``demo``: the shipped fox through a real backend process over ZeroMQ, the way the Blender add-on does it.

``demo mesh-sdf`` is another demonstration, of two meshes of the user's own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backend.commands import demo_mesh_sdf
from backend.commands.interrupt import Interrupt
from backend.commands.output import check_output, output_folder
from backend.commands.parser import Parser, choice, whole_number
from backend.commands.progress import Progress

if TYPE_CHECKING:
    from protocol.messages import MorphRequest
    from protocol.settings import MethodSpec

FOX = Path(__file__).parents[1] / "data" / "fox_run"
PREVIEW_FRAMES = 5


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("--out", type=Path, metavar="DIR", default=Path("tweenfield-demo"), help="folder; default ./tweenfield-demo")
    add("--force", action="store_true", help="put the result into a folder that holds other files, too")
    add("--frames", type=whole_number(2, 1000), default=24, metavar="N", help="number of frames; default 24")
    add("--preset", type=choice("draft", "standard", "high"), default="standard", metavar="P", help="default standard")
    others = parser.add_subparsers(dest="other", metavar="mesh-sdf", parser_class=Parser)
    purpose = "a mesh that follows the silhouette of another, holes and all"
    demo_mesh_sdf.add_arguments(others.add_parser("mesh-sdf", help=purpose, description=f"Shows {purpose}."))


def run(arguments: argparse.Namespace) -> int:
    if arguments.other is not None:
        return demo_mesh_sdf.run(arguments)
    out = arguments.out.absolute()
    check_output(out, arguments.force)
    with Progress() as progress, Interrupt(progress.note) as interrupt:
        progress("starting")
        report = _demo(arguments, out, progress, interrupt)
    sys.stdout.write(_summary(out, report))
    return 130 if report["interrupted"] else 0


def _demo(arguments: argparse.Namespace, out: Path, progress: Progress, interrupt: Interrupt) -> dict[str, Any]:
    from backend.commands.backend_process import own_backend
    from backend.commands.remote_job import connect, run_job
    from backend.commands.result import Job, ResultFolder, finish, vertex_order

    def stop_if_asked() -> None:
        if interrupt.asked:
            raise KeyboardInterrupt

    with output_folder(out, arguments.force) as folder, own_backend(stop_if_asked) as endpoint:
        client = connect(endpoint, stop_if_asked)
        try:
            assert client.welcome is not None
            request = fox_request(client.welcome.methods, arguments.preset, arguments.frames)
            result = ResultFolder(folder, arguments.frames, keep_all=True)
            outcome = run_job(client, request, result, progress, interrupt)
            client.shutdown()
            client.poll(0.1)
        finally:
            client.close()
        (folder / "morph.safetensors").write_bytes(outcome.morph)
        result.write_gltf()
        report = {"files": {"source": "fox_run/source.obj", "target": "fox_run/target.obj"}, **outcome.report}
        stopped = outcome.report.get("interrupted")
        job = Job(request.source, request.target, vertex_order(request.source), request.timeline, stopped)
        return finish(result, job, report, progress, interrupt)


def fox_request(methods: tuple[MethodSpec, ...], preset: str, frames: int) -> MorphRequest:
    """The shipped pair, which shares its vertex order, as a request for the default method."""
    from backend.commands.job import DEFAULTS, find_method
    from backend.geometry.io import read_mesh
    from protocol.messages import MorphRequest, Timeline

    spec = find_method(methods, DEFAULTS["method"])
    source, target = read_mesh(FOX / "source.obj"), read_mesh(FOX / "target.obj")
    return MorphRequest(
        source=source,
        target=target,
        method=spec.name,
        etag=spec.etag,
        preset=preset,
        timeline=Timeline(frames=frames),
        preview_frames=PREVIEW_FRAMES,
    )


def _summary(out: Path, report: dict[str, Any]) -> str:
    stopped = report["interrupted"]
    return "\n".join(
        [
            *([f"stopped while {stopped}; what was done is kept"] if stopped else []),
            f"The fox went from its first pose to its last in {report['frames']} frames. In {out}:",
            "  contact_sheet.png   the morph at a glance",
            "  morph.glb           Blender: File > Import > glTF 2.0, then press Home to see it all, and Space to play",
            f"  frame_0000.ply ...  {report['frames']} meshes, the first is the source, the last lies on the target",
            "  morph.safetensors   the trained morph; `tweenfield bake` makes more frames of it",
            "  report.json         settings, times, quality",
            "",
        ]
    )
