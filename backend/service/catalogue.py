"""What the backend can do, known before its first worker has started.

The server process never loads a method. Its worker tells methods and devices when it is ready; the server keeps the
answer on disk for the next start, for as long as no file that makes up the methods has changed. A remembered catalogue
that is wrong after all does no harm: the worker's own replaces it, and settings made for the old one are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import backend
from backend.service.parts_file import read_parts, write_parts
from protocol import wire
from protocol.limits import WireError
from protocol.messages import PROTOCOL, MorphRequest, SurfaceRequest, Welcome
from protocol.settings import MethodSpec, SettingError

_FILE: Final = "catalogue.bin"


class Catalogue:
    """The Welcome of this backend, or nothing as long as neither disk nor worker has told."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._key = _fingerprint().encode()
        self._welcome: Welcome | None = None
        with contextlib.suppress(OSError, ValueError):
            key, *parts = read_parts(self._path)
            if bytes(key) == self._key:
                self._take(parts)

    def learn(self, parts: Sequence[bytes]) -> bool:
        """Takes what a worker told; True if that is news."""
        before = self._welcome
        self._take(parts)
        if self._welcome == before:
            return False
        with contextlib.suppress(OSError):
            write_parts(self._path, [self._key, *parts])
        return True

    def welcome(self, session: str, minor: int) -> Welcome | None:
        """The Welcome for a client that speaks minor version ``minor``."""
        if self._welcome is None:
            return None
        surfaces = self._welcome.surface_methods if minor >= 3 else None
        spoken = (PROTOCOL[0], min(PROTOCOL[1], minor))
        return replace(self._welcome, session=session, protocol=spoken, surface_methods=surfaces)

    def method(self, name: str) -> MethodSpec:
        """The spec of a morph method; hyphens and underscores are equal. ``WireError`` if there is none."""
        return _named(name, self._methods(), "method")

    def check(self, request: MorphRequest) -> None:
        """Whether a submission fits the advertised method; ``WireError`` says why not."""
        spec = self.method(request.method)
        _check_settings(request, spec)
        try:
            spec.check_topology(request.topology, self._methods())
        except SettingError as error:
            raise WireError("bad-setting", str(error)) from None

    def check_surface(self, request: SurfaceRequest) -> None:
        """Whether a surface that is asked for fits the advertised method; ``WireError`` says why not."""
        specs = self._welcome.surface_methods if self._welcome is not None else None
        spec = _named(request.method, specs or (), "method for surfaces")
        _check_settings(request, spec)
        if request.mode != "auto" and request.mode not in spec.topologies:
            made = " or ".join((*spec.topologies, "auto"))
            raise WireError("bad-setting", f"method {spec.name} makes no {request.mode} field; ask for {made}")

    def _methods(self) -> tuple[MethodSpec, ...]:
        return self._welcome.methods if self._welcome is not None else ()

    def _take(self, parts: Sequence[bytes | memoryview]) -> None:
        message = wire.decode(parts)
        assert isinstance(message, Welcome)
        self._welcome = message


def _named(name: str, specs: Sequence[MethodSpec], what: str) -> MethodSpec:
    for spec in specs:
        if spec.name == name.replace("-", "_"):
            return spec
    there = ", ".join(spec.name for spec in specs)
    raise WireError("unknown-method", f"this backend has no {what} {name!r}; it has {there}")


def _check_settings(request: MorphRequest | SurfaceRequest, spec: MethodSpec) -> None:
    if request.etag != spec.etag:
        raise WireError(
            "stale-settings",
            f"the settings of method {request.method} have changed in the backend since they were read; reconnect, "
            "look at the settings and submit again",
        )
    try:
        spec.resolve(request.preset, request.settings)
    except SettingError as error:
        raise WireError("bad-setting", str(error)) from None


def _fingerprint() -> str:
    """Changes with the files that say what the methods are, and with what is added to them from outside."""
    root = Path(backend.__file__).parent
    parts = [backend.__version__, sys.version, os.environ.get("TWEENFIELD_EXTRA_METHODS", "")]
    for folder in (root / "methods", root / "surfaces", root / "training", root.parent / "protocol"):
        for path in sorted(folder.rglob("*.py")):
            status = path.stat()
            parts.append(f"{path}:{status.st_size}:{status.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
