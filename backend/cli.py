"""The command line: finds the command, runs it, and turns every fault into one plain line and an exit status."""

from __future__ import annotations

import errno
import importlib
import sys
from collections.abc import Sequence
from typing import Final

from backend import __version__
from backend.commands.parser import CommandError, Parser, spelled
from backend.environment import one_algebra_thread

COMMANDS: Final = {
    "morph": "morph one mesh into another; leaves frames, a report and a picture in a folder",
    "bake": "frames from a morph that is already trained",
    "refine": "make a frame of a trained morph match outlines that were drawn; its neighbours follow",
    "serve": "run the backend that Blender talks to",
    "dataset": "the points that a distance field is trained on, of a mesh, a point cloud or curves",
    "fit": "fit a distance field to a mesh, a point cloud or curves: a clean closed surface comes out",
    "query": "surfaces, curves, samples, a skeleton, distances or a picture out of a fitted field",
    "evaluate": "measure a folder of frames against its source, target and truth",
    "prepare": "list the pairs of a folder of published meshes, for morph --data",
    "correspond": "find which point of one mesh belongs to which of another, with a picture of it",
    "correspond-shapes": "make chairs, mugs or tables whose true correspondence is known",
    "correspond-train": "learn the correspondence of a kind of shapes from a folder of meshes",
    "correspond-evaluate": "measure what was learned on made shapes",
    "shape-space": "a family of shapes as a space: train it, encode scans, interpolate, sample",
    "deep-sdf": "one decoder of signed distances for many shapes: train it",
    "single-view": "the shape in one image: make the data, train, reconstruct, measure",
    "demo": "morph the shipped fox through a real backend, as Blender would",
    "bench": "measure speed and quality, and write the table",
    "doctor": "check this machine: versions, devices, ports, libraries",
}
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130
REMEDIES: Final = {
    errno.ENOSPC: ": free some space there or choose another folder",
    errno.EDQUOT: ": free some space there or choose another folder",
    errno.EFBIG: ": choose another folder, this one does not take a file of that size",
    errno.EROFS: ": choose another folder, this one cannot be written to",
    errno.EACCES: ": choose another folder or give yourself the right to use this one",
    errno.EPERM: ": choose another folder or give yourself the right to use this one",
    errno.ENOENT: ": check the path",
    errno.ENOTDIR: ": check the path",
    errno.EISDIR: ": name a file in it",
    errno.ENAMETOOLONG: ": choose a shorter name",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status: 0 done, 2 bad input, 130 stopped by Ctrl-C."""
    one_algebra_thread()
    given = spelled(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(given)
    except KeyboardInterrupt:
        exec("pass")  # Python ends by the signal, not by a status, if the last exec() was broken off, as in dataclass()
        sys.stderr.write("\ntweenfield: stopped\n")
        return INTERRUPTED
    except BrokenPipeError:
        return 1
    except (ValueError, OSError, MemoryError, RuntimeError) as error:
        message = _plain(error)
        if message is None:
            raise
        sys.stderr.write(f"tweenfield: error: {message}\n")
        return BAD_INPUT


def _run(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help", "help"):
        sys.stdout.write(_overview())
        return 0
    if given[0] == "--version":
        sys.stdout.write(f"tweenfield {__version__}\n")
        return 0
    name = given[0].replace("_", "-")
    if name not in COMMANDS:
        raise CommandError(f"there is no command {given[0]!r}; there are {', '.join(COMMANDS)}")
    module = importlib.import_module(f"backend.commands.{name.replace('-', '_')}")
    parser = Parser(f"tweenfield {name}", COMMANDS[name][0].upper() + COMMANDS[name][1:] + ".")
    module.add_arguments(parser)
    status: int = module.run(parser.read(given[1:]))
    return status


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name.ljust(width)}  {purpose}" for name, purpose in COMMANDS.items()]
    return "\n".join(
        [
            "usage: tweenfield COMMAND ...    (python -m backend COMMAND ... is the same)",
            "",
            "In-betweens for Blender: morphs one mesh into another.",
            "",
            *lines,
            "",
            "tweenfield COMMAND --help tells more of a command; tweenfield --version tells the version.",
            "",
        ]
    )


def _plain(error: Exception) -> str | None:
    """The fault in one line, or None when it is ours and the traceback is wanted."""
    from backend.correspondence.correspondence import CorrespondenceError
    from backend.service.faults import failure_of
    from protocol.endpoint import EndpointError
    from protocol.limits import WireError
    from protocol.mesh import MeshError
    from protocol.settings import SettingError

    if isinstance(error, CommandError | MeshError | CorrespondenceError | SettingError | EndpointError | WireError):
        return " ".join(str(error).split())
    if isinstance(error, OSError):
        what = f"{error.strerror or error}{REMEDIES.get(error.errno or 0, '')}"
        return f"{error.filename}: {what}" if error.filename else what
    failure = failure_of(error)
    return None if failure.code == "internal" else failure.message
