"""Builds the Blender extension: ``python build_addon.py [--out DIR]``.

One zip for each platform and one for all of them. In each: ``addon/`` at the root, ``protocol/`` as its sub-package,
and the wheels of pyzmq and msgpack for the Pythons of Blender (3.11 up to 5.0, 3.13 from 5.1). The wheels are those of
``addon/wheels.sha256``; they come through pip and are kept in the user's cache folder, so that a second build needs no
network. The same sources give the same bytes. Needs Python 3.11 and pip, nothing else; where bpy is installed,
Blender's own validator is run too.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.util
import os
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent
MANIFEST = "blender_manifest.toml"
PLATFORMS = ("linux-x64", "windows-x64", "macos-arm64", "macos-x64")
PYTHONS = ((3, 11), (3, 13))
PACKAGES = ("msgpack", "pyzmq")
PINNED = "wheels.sha256"  # in addon/, not in the zips

# Blender's own names; a manifest with another one is installed nowhere, and its validator does not say so.
KNOWN_PLATFORMS = {"linux-x64", "linux-arm64", "windows-x64", "windows-arm64", "macos-arm64", "macos-x64"}
KNOWN_TAGS = {
    "3D View",
    "Animation",
    "Import-Export",
    "Mesh",
    "Modeling",
    "Object",
}  # of the stock list, those that fit
LICENCES = {"SPDX:GPL-2.0-or-later", "SPDX:GPL-3.0-or-later"}  # what Blender's platform takes for an add-on
IN_BLENDER = {"bpy", "bpy_extras", "bmesh", "mathutils", "gpu", "gpu_extras", "blf", "idprop", "numpy", "rna_prop_ui"}
BUNDLED = {"zmq", "msgpack"}


class BuildError(Exception):
    """The extension cannot be built; the message says why and what to do."""


# wheels -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wheel:
    """What a wheel's file name says."""

    package: str
    version: str
    python: str  # e.g. cp311
    abi: str  # e.g. cp311, or abi3: this Python and all later ones
    systems: tuple[str, ...]  # e.g. manylinux_2_28_x86_64

    @staticmethod
    def parse(name: str) -> Wheel:
        parts = name.removesuffix(".whl").split("-")
        if not name.endswith(".whl") or len(parts) != 5:
            raise BuildError(f"{name} is not the name of a wheel")
        return Wheel(parts[0], parts[1], parts[2], parts[3], tuple(parts[4].split(".")))

    @property
    def python_version(self) -> tuple[int, int]:
        digits = self.python.removeprefix("cp")
        return int(digits[0]), int(digits[1:])

    def serves_python(self, version: tuple[int, int]) -> bool:
        return self.python_version == version or (self.abi == "abi3" and version >= self.python_version)

    def platforms(self) -> set[str]:
        """The Blender platforms that it runs on."""
        found = set()
        for system in self.systems:
            if system.startswith("manylinux") and system.endswith("_x86_64"):
                found.add("linux-x64")
            elif system == "win_amd64":
                found.add("windows-x64")
            elif system.startswith("macosx") and system.endswith("_universal2"):
                found |= {"macos-arm64", "macos-x64"}
            elif system.startswith("macosx"):
                found.add("macos-arm64" if system.endswith("_arm64") else "macos-x64")
        return found


def pinned_wheels() -> dict[str, str]:
    """The sha256 of every wheel that may be bundled, by file name."""
    lines = (ROOT / "addon" / PINNED).read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def default_cache() -> Path:
    """The folder that downloaded wheels are kept in."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "tweenfield" / "wheels"


def fetch(name: str, digest: str, cache: Path) -> bytes:
    """The bytes of a pinned wheel: from the cache if they are there and right, else through pip."""
    cached = cache / name
    if not (cached.is_file() and hashlib.sha256(cached.read_bytes()).hexdigest() == digest):
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            download(name, digest, Path(folder))
            (Path(folder) / name).replace(cached)
    return cached.read_bytes()


def download(name: str, digest: str, folder: Path) -> None:
    """Lets pip download one wheel and check its hash."""
    wheel = Wheel.parse(name)
    pinned = folder / "requirements.txt"
    pinned.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{digest}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--require-hashes", "--requirement", str(pinned), "--dest", str(folder)]
    command += ["--implementation", "cp", "--python-version", wheel.python.removeprefix("cp"), "--abi", wheel.abi]
    command += [word for system in wheel.systems for word in ("--platform", system)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if result.returncode != 0 or not (folder / name).is_file():
        last = [line for line in result.stderr.splitlines() if line.strip()][-3:]
        raise BuildError(
            f"pip could not download {name}, and it is not in the cache {folder.parent}.\n"
            "Build once where the package index can be reached, or copy that folder from a machine that has built it.\n"
            + "\n".join(f"  pip: {line}" for line in last)
        )


# the content of a zip -----------------------------------------------------------------------------------------------


def version() -> str:
    """The version in ``backend/__init__.py``, read without importing it."""
    text = (ROOT / "backend" / "__init__.py").read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__version__"]:
            return str(ast.literal_eval(node.value))
    raise BuildError("backend/__init__.py sets no __version__")


def fill_manifest(template: str, platforms: tuple[str, ...], wheels: list[str]) -> str:
    """The manifest of one zip: the template with its version, platforms and wheels."""
    fields = tomllib.loads(template)
    if "platforms" in fields or "wheels" in fields:
        raise BuildError(f"addon/{MANIFEST} lists platforms or wheels: leave both to build_addon.py")
    listed = "".join(f'  "./wheels/{name}",\n' for name in wheels)
    quoted = ", ".join(f'"{name}"' for name in platforms)
    filled = f'version = "{version()}"\nplatforms = [{quoted}]\nwheels = [\n{listed}]'
    text, count = re.subn(r"^version\s*=.*$", lambda _: filled, template, flags=re.MULTILINE)
    if count != 1:
        raise BuildError(f"addon/{MANIFEST} must have one line that begins with version =")
    return text


def with_relative_imports(text: str, path: PurePosixPath) -> str:
    """Source of a file of protocol/ with ``from protocol.x import y`` as ``from .x import y``, as in an extension."""
    lines = text.splitlines(keepends=True)
    dots = "." * len(path.parent.parts)  # protocol/mesh.py: one
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "protocol" for alias in node.names):
            raise BuildError(f"{path}:{node.lineno}: write from protocol... import, the other form cannot be bundled")
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").split(".")[0] == "protocol":
            start = len(lines[node.lineno - 1].encode()[: node.col_offset].decode())
            line = lines[node.lineno - 1]
            rest = (node.module or "").removeprefix("protocol").removeprefix(".")
            changed = re.sub(r"^from\s+protocol[.\w]*", f"from {dots}{rest}", line[start:])
            lines[node.lineno - 1] = line[:start] + changed
    return "".join(lines)


def content(platforms: tuple[str, ...], cache: Path) -> dict[str, bytes]:
    """Every file of a zip, by its path in it."""
    files: dict[str, bytes] = {}
    for folder in ("addon", "protocol"):
        for path in sorted((ROOT / folder).rglob("*")):
            inside = PurePosixPath(path.relative_to(ROOT).as_posix())
            if not path.is_file() or "__pycache__" in inside.parts or path.name.startswith(".") or path.name == PINNED:
                continue
            if path.suffix not in (".py", ".toml"):
                files[str(inside)] = path.read_bytes()
                continue
            text = path.read_text(encoding="utf-8")  # line ends become \n, whatever the checkout has
            if folder == "protocol" and path.suffix == ".py":
                text = with_relative_imports(text, inside)
            files[str(inside)] = text.encode()
    files = {name.removeprefix("addon/"): data for name, data in files.items()}
    if MANIFEST not in files:
        raise BuildError(f"addon/{MANIFEST} is missing")
    files["LICENSE"] = (ROOT / "docs" / "LICENSE").read_text(encoding="utf-8").encode()
    pinned = pinned_wheels()
    wheels = sorted(name for name in pinned if Wheel.parse(name).platforms() & set(platforms))
    files |= {f"wheels/{name}": fetch(name, pinned[name], cache) for name in wheels}
    files[MANIFEST] = fill_manifest(files[MANIFEST].decode(), platforms, wheels).encode()
    return files


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    """Writes the same bytes for the same files: sorted, one date, one mode, and no compression but the wheels' own."""
    partial = path.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    partial.replace(path)


# checks -------------------------------------------------------------------------------------------------------------


def check_text(name: str, text: str) -> list[str]:
    """Blender's rules for a tagline and for the reason of a permission."""
    faults = []
    if not 0 < len(text) <= 64:
        faults.append(f"{name} has {len(text)} characters, 1 to 64 are allowed")
    if not text.isprintable() or text != text.strip():
        faults.append(f"{name} has control characters, or blanks at its ends")
    if text and not (text[-1].isalnum() or text[-1] in ")]}"):
        faults.append(f"{name} ends in {text[-1]!r}: no punctuation at the end")
    return faults


def check_manifest(fields: dict[str, object]) -> list[str]:
    """What is wrong in the manifest, Blender's validator's blind spots in particular."""
    required = {"schema_version", "id", "name", "tagline", "version", "type", "maintainer", "license", "tags"}
    required |= {"blender_version_min", "platforms", "wheels"}
    missing = [f"the manifest has no {name}" for name in sorted(required) if not fields.get(name)]
    if missing:
        return missing
    faults = check_text("tagline", str(fields["tagline"]))
    permissions = fields.get("permissions", {})
    assert isinstance(permissions, dict)
    for name, reason in permissions.items():
        faults += check_text(f"permission {name}", str(reason))
    if not re.fullmatch(
        r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?", str(fields["version"])
    ):
        faults.append(f"version {fields['version']} is not of the form 1.2.3")
    if not re.fullmatch(r"\d+\.\d+\.\d+", str(fields["blender_version_min"])):
        faults.append(f"blender_version_min {fields['blender_version_min']} is not three numbers")
    for name, known in (("license", LICENCES), ("platforms", KNOWN_PLATFORMS), ("tags", KNOWN_TAGS)):
        values = fields[name]
        if not isinstance(values, list):
            faults.append(f"{name} is not a list")
            continue
        faults += [f"{name}: {value!r} is none of {', '.join(sorted(known))}" for value in values if value not in known]
    return faults


def check_wheels(listed: list[str], shipped: list[str], platforms: list[str]) -> list[str]:
    """Whether the listed wheels are the shipped ones, and serve every Python on every platform, each once."""
    listed = [name.removeprefix("./") for name in listed]
    faults = [f"{name} is listed but not in the zip" for name in listed if name not in shipped]
    faults += [f"{name} is in the zip but not listed" for name in shipped if name not in listed]
    wheels = [Wheel.parse(PurePosixPath(name).name) for name in shipped]
    for wheel, name in zip(wheels, shipped, strict=True):
        if not wheel.platforms() & set(platforms):
            faults.append(f"{name} serves none of {', '.join(platforms)}")
    for place in platforms:
        for python in PYTHONS:
            fitting = [wheel.package for wheel in wheels if place in wheel.platforms() and wheel.serves_python(python)]
            if sorted(fitting) != list(PACKAGES):
                faults.append(f"{place}, Python {python[0]}.{python[1]}: wheels of {fitting}, not of {list(PACKAGES)}")
    return faults


def check_imports(name: str, source: str) -> list[str]:
    """Whether Blender has what a file imports: the standard library, its own modules, numpy and the bundled wheels."""
    modules = []
    for node in ast.walk(ast.parse(source, name)):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules.append(node.module or "")
    allowed = IN_BLENDER | BUNDLED | sys.stdlib_module_names
    return [
        f"{name} imports {module}: not to be had in Blender"
        for module in modules
        if module.split(".")[0] not in allowed
    ]


def check_zip(path: Path) -> list[str]:
    """Everything that is wrong with a built zip; empty when it is right."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    for name in (MANIFEST, "__init__.py", "LICENSE", "protocol/__init__.py"):
        if name not in files:
            return [f"{name} is missing"]
    fields = tomllib.loads(files[MANIFEST].decode())
    faults = check_manifest(fields)
    if not faults:
        shipped = [name for name in files if name.endswith(".whl")]
        faults += check_wheels(fields["wheels"], shipped, fields["platforms"])
    for name, data in files.items():
        if "__pycache__" in name or name.endswith((".pyc", ".pyo")):
            faults.append(f"{name}: compiled files do not belong in it")
        elif name.endswith(".py"):
            faults += check_imports(name, data.decode())
    return faults


def validator() -> list[str] | None:
    """The command line of Blender's own validator, or None where no bpy is installed. bpy is not imported."""
    spec = importlib.util.find_spec("bpy")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for scripts in sorted(Path(folder).glob("*/scripts")):
            program = scripts / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
            tags = scripts / "modules" / "_bpy_internal" / "extensions" / "tags.py"
            if program.is_file() and tags.is_file():
                return [sys.executable, str(program), "validate", f"--valid-tags={tags}"]
    return None


def check_with_blender(path: Path, command: list[str]) -> list[str]:
    """What Blender's own validator says against a zip."""
    result = subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=120)
    if result.returncode == 0:
        return []
    return [f"Blender's validator: {line}" for line in (result.stdout + result.stderr).splitlines() if line.strip()]


# the command --------------------------------------------------------------------------------------------------------


def this_platform() -> str:
    """Blender's name of the platform that this runs on."""
    system = {"Darwin": "macos"}.get(platform.system(), platform.system().lower())
    machine = platform.machine().lower()
    name = system + "-" + {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(machine, machine)
    if name not in PLATFORMS:
        raise BuildError(f"no extension is built for {name}, only for {', '.join(PLATFORMS)}")
    return name


def build(out: Path, name: str, cache: Path | None = None, check: bool = True) -> Path:
    """Builds the zip of one platform, or of ``all``, and returns its path."""
    platforms = PLATFORMS if name == "all" else (name,)
    files = content(platforms, cache or default_cache())
    fields = tomllib.loads(files[MANIFEST].decode())
    suffix = "" if name == "all" else "-" + name.replace("-", "_")
    path = out / f"{fields['id']}-{fields['version']}{suffix}.zip"
    out.mkdir(parents=True, exist_ok=True)
    write_zip(path, files)
    command = validator()
    faults = check_zip(path) + (check_with_blender(path, command) if command else []) if check else []
    if faults:
        path.unlink()
        raise BuildError(f"{path.name} is not right and was not kept:\n" + "\n".join(f"  {fault}" for fault in faults))
    return path


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="build_addon.py", description="Builds the Blender extension.")
    parser.add_argument("--out", type=Path, default=Path("dist"), help="folder for the zips (default: dist)")
    choices = (*PLATFORMS, "all", "current")
    parser.add_argument("--platform", choices=choices, help="one zip only: a platform, all in one, or this machine's")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="folder for wheels (default: %(default)s)")
    parser.add_argument("--no-check", action="store_true", help="do not check the zips")
    options = parser.parse_args(arguments)
    try:
        names = [this_platform() if options.platform == "current" else options.platform]
        for name in names if options.platform else [*PLATFORMS, "all"]:
            path = build(options.out, name, options.cache, not options.no_check)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            sys.stdout.write(f"{path}  {path.stat().st_size / 1e6:.2f} MB  sha256 {digest}\n")
    except BuildError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    if not options.no_check:
        own = "checked" if validator() else "checked, but not by Blender's own validator: bpy is not installed here"
        sys.stdout.write(f"{own}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
