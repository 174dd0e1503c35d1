"""The checks of ``doctor``. Each gives findings in plain words, with a fix where something is amiss."""

from __future__ import annotations

import ctypes
import importlib
import importlib.metadata
import importlib.util
import platform
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from backend import __version__

REINSTALL: Final = "install Tweenfield again in a fresh environment: python3 -m venv .venv && .venv/bin/pip install ."
PACKAGES: Final = {  # module -> package
    "ezdxf": "ezdxf",
    "igl": "libigl",
    "msgpack": "msgpack",
    "numpy": "numpy",
    "PIL": "pillow",
    "psutil": "psutil",
    "zmq": "pyzmq",
    "safetensors": "safetensors",
    "skimage": "scikit-image",
    "scipy": "scipy",
    "svgelements": "svgelements",
    "torch": "torch",
    "trimesh": "trimesh",
}
# Shared libraries that bpy loads and does not bring along, with the Debian and Ubuntu package of each.
BPY_LIBRARIES: Final = {
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
    "libXrender.so.1": "libxrender1",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
}
LEAST_FREE_BYTES: Final = 1_000_000_000


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report. ``fix`` says what to do."""

    level: Literal["ok", "note", "fail"]
    text: str
    fix: str = ""


def check_python() -> list[Finding]:
    version = platform.python_version()
    text = f"Tweenfield {__version__} on Python {version}, {platform.system()} {platform.machine()}"
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        return [Finding("ok", text)]
    return [Finding("fail", text, "use Python 3.11, 3.12 or 3.13: python3.11 -m venv .venv")]


def check_packages() -> list[Finding]:
    """Every package can be imported; the ones with compiled parts say for which system their wheel was made."""
    findings = []
    for module, package in PACKAGES.items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            findings.append(Finding("fail", f"{package} cannot be imported: {error}", REINSTALL))
            continue
        findings.append(Finding("ok", f"{package} {_version(package)} {_wheel(package)}".rstrip()))
    return findings


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "(version unknown)"


def _wheel(package: str) -> str:
    """The platform of the wheel a package was installed from, in brackets."""
    try:
        text = importlib.metadata.distribution(package).read_text("WHEEL") or ""
    except importlib.metadata.PackageNotFoundError:
        return ""
    tags = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("Tag:")]
    return f"[{tags[0]}]" if tags and not tags[0].endswith("-none-any") else ""


def check_devices() -> list[Finding]:
    """Every device PyTorch knows really computes."""
    try:
        import torch

        from backend.device import available_devices, configure
    except ImportError:
        return []
    configure()
    threads = torch.get_num_threads()
    findings = [Finding("ok", f"PyTorch uses {threads} thread{'s' if threads > 1 else ''}")]
    for name in available_devices():
        try:
            found = float((torch.ones(64, 64, device=name) @ torch.ones(64, 64, device=name)).sum())
        except RuntimeError as error:
            fix = f"run with --device cpu, or install the driver that this PyTorch was built for ({torch.version.cuda})"
            findings.append(Finding("fail", f"device {name} does not compute: {str(error).splitlines()[0]}", fix))
            continue
        level: Literal["ok", "fail"] = "ok" if found == 64.0**3 else "fail"
        findings.append(
            Finding(level, f"device {name}", "" if level == "ok" else "it computes wrongly: use --device cpu")
        )
    if shutil.which("nvidia-smi") and not torch.cuda.is_available():
        fix = "install a PyTorch build for CUDA (see pytorch.org), or leave it: the processor works too"
        findings.append(Finding("note", "there is an NVIDIA driver, but this PyTorch cannot use it", fix))
    return findings


def check_machine() -> list[Finding]:
    try:
        import psutil
    except ImportError:
        return []
    cores = psutil.cpu_count(logical=False) or psutil.cpu_count() or 1
    memory = psutil.virtual_memory()
    text = f"{cores} cores, {memory.total / 1e9:.0f} GB of memory, {memory.available / 1e9:.0f} GB free"
    if memory.available >= LEAST_FREE_BYTES:
        return [Finding("ok", text)]
    return [Finding("note", text, "close other programs before large morphs")]


def check_ports() -> list[Finding]:
    """A socket on 127.0.0.1 can be opened and reached, and ZeroMQ has what remote backends need."""
    findings = []
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port), timeout=5), server.accept()[0]:
                findings.append(Finding("ok", f"a port on 127.0.0.1 can be opened and reached (tried {port})"))
    except OSError as error:
        fix = "allow connections of Python to 127.0.0.1 in the firewall; Blender talks to the backend there"
        findings.append(Finding("fail", f"no port on 127.0.0.1: {error.strerror or error}", fix))
    try:
        import zmq
    except ImportError:
        return findings
    if zmq.has("curve"):
        findings.append(Finding("ok", f"ZeroMQ {zmq.zmq_version()} with encryption"))
    else:
        fix = "reinstall pyzmq from its wheel: pip install --force-reinstall pyzmq"
        findings.append(Finding("note", "ZeroMQ has no encryption: backends on other machines cannot be used", fix))
    return findings


def check_folders() -> list[Finding]:
    """Temporary and cache folders can be written to and have room."""
    from backend.service.folders import user_folder

    findings = []
    for what, folder in (("temporary folder", Path(tempfile.gettempdir())), ("folder for jobs", user_folder())):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder) as file:
                file.write(b"tweenfield")
        except OSError as error:
            variable = "TMPDIR" if what.startswith("temp") else "XDG_STATE_HOME"
            fix = f"give yourself the right to write to {folder}, or set {variable} to another folder"
            findings.append(Finding("fail", f"{what} {folder}: {error.strerror or error}", fix))
            continue
        free = shutil.disk_usage(folder).free
        if free < LEAST_FREE_BYTES:
            findings.append(Finding("note", f"{what} {folder}: {free / 1e9:.1f} GB free", "make room on that disk"))
        else:
            findings.append(Finding("ok", f"{what} {folder}: {free / 1e9:.0f} GB free"))
    return findings


def check_data() -> list[Finding]:
    if (Path(__file__).parents[1] / "data" / "fox_run" / "source.obj").is_file():
        return [Finding("ok", "the shipped fox is here")]
    return [Finding("fail", "the shipped fox is missing, so `demo` cannot run", REINSTALL)]


def check_bpy() -> list[Finding]:
    """bpy (Blender as a Python module) finds its shared libraries. Only tests and scripts without Blender need it."""
    installed = importlib.util.find_spec("bpy") is not None
    if not sys.platform.startswith("linux"):
        return [Finding("ok", f"bpy is {'' if installed else 'not '}installed")]
    missing = [package for library, package in BPY_LIBRARIES.items() if not _loads(library)]
    fix = f"sudo apt-get install {' '.join(missing)}"
    if missing and installed:
        return [Finding("fail", "bpy is installed, but shared libraries that it needs are missing", fix)]
    if missing:
        return [Finding("note", "bpy is not installed; on this machine it would need shared libraries first", fix)]
    return [Finding("ok", f"bpy is {'' if installed else 'not '}installed, and its shared libraries are here")]


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def try_backend() -> list[Finding]:
    """A backend process really starts, answers, and ends."""
    from backend.commands.backend_process import own_backend
    from backend.commands.parser import CommandError
    from backend.commands.remote_job import connect

    started = time.monotonic()
    try:
        with own_backend() as endpoint:
            client = connect(endpoint)
            methods = ", ".join(spec.name for spec in client.welcome.methods) if client.welcome else ""
            client.shutdown()
            client.poll(0.1)
            client.close()
    except (CommandError, OSError) as error:
        return [Finding("fail", f"no backend: {error}", "mend the lines above; if there are none, report this one")]
    return [
        Finding("ok", f"a backend starts, answers and ends ({time.monotonic() - started:.1f} s); methods: {methods}")
    ]


CHECKS: Final[tuple[Callable[[], list[Finding]], ...]] = (
    check_python,
    check_packages,
    check_devices,
    check_machine,
    check_ports,
    check_folders,
    check_data,
    check_bpy,
)
