"""The extension zips: their content, their reproducibility, and what the checks of ``build_addon.py`` refuse."""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

import build_addon

ROOT = build_addon.ROOT


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is built, to be changed by a test."""
    copy = tmp_path / "project"
    for folder in ("addon", "protocol"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("backend/__init__.py", "docs/LICENSE"):
        (copy / file).parent.mkdir()
        shutil.copy(ROOT / file, copy / file)
    monkeypatch.setattr(build_addon, "ROOT", copy)
    return copy


def build(out: Path, name: str = "linux-x64") -> Path:
    return build_addon.build(out, name, check=False)


def with_files(source: Path, out: Path, changes: dict[str, bytes | None]) -> Path:
    """A copy of a zip with other files in it; None leaves a file out."""
    with zipfile.ZipFile(source) as archive:
        files: dict[str, bytes | None] = {name: archive.read(name) for name in archive.namelist()}
    files |= changes
    build_addon.write_zip(out, {name: data for name, data in files.items() if data is not None})
    return out


def manifest_of(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.read(build_addon.MANIFEST).decode()


def test_the_zip_holds_the_addon_the_protocol_and_the_wheels(addon_zip: Path) -> None:
    with zipfile.ZipFile(addon_zip) as archive:
        names = archive.namelist()
    for folder, prefix in (("addon", ""), ("protocol", "protocol/")):
        for path in (ROOT / folder).rglob("*.py"):
            if "__pycache__" not in path.parts:
                assert prefix + path.relative_to(ROOT / folder).as_posix() in names
    assert "LICENSE" in names
    assert build_addon.PINNED not in names
    assert len([name for name in names if name.endswith(".whl")]) == 4  # two packages, two Pythons
    assert f'version = "{build_addon.version()}"' in manifest_of(addon_zip)


def test_no_import_of_protocol_is_left_absolute(addon_zip: Path) -> None:
    relative = 0
    with zipfile.ZipFile(addon_zip) as archive:
        for name in archive.namelist():
            if not name.startswith("protocol/") or not name.endswith(".py"):
                continue
            for node in ast.walk(ast.parse(archive.read(name))):
                if isinstance(node, ast.ImportFrom):
                    assert (node.module or "").split(".")[0] != "protocol" or node.level, name
                    relative += node.level
    assert relative > 0


@pytest.mark.parametrize("name", [*build_addon.PLATFORMS, "all"])
def test_every_zip_passes_all_checks_and_two_builds_are_equal(name: str, project: Path, tmp_path: Path) -> None:
    first = build_addon.build(tmp_path / "a", name)
    os.utime(project / "addon" / "__init__.py", (0, 0))  # a file's date and mode are not in the zip
    (project / "addon" / "__init__.py").chmod(0o755)
    second = build_addon.build(tmp_path / "b", name)
    assert first.name == second.name
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(second.read_bytes()).digest()


def test_blenders_own_validator_is_found_and_refuses_a_bad_tag(addon_zip: Path, tmp_path: Path) -> None:
    command = build_addon.validator()
    if command is None:
        pytest.skip("bpy is not installed")
    assert build_addon.check_with_blender(addon_zip, command) == []
    text = manifest_of(addon_zip).replace("tags = [", 'tags = ["Morphing", ')
    bad = with_files(addon_zip, tmp_path / "bad.zip", {build_addon.MANIFEST: text.encode()})
    assert any("Morphing" in fault for fault in build_addon.check_with_blender(bad, command))


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"SPDX:GPL-3.0-or-later"', '"MIT"', "license: 'MIT'"),
        ("tags = [", 'tags = ["Morphing", ', "tags: 'Morphing'"),
        ('platforms = ["linux-x64"', 'platforms = ["linux-amd64"', "platforms: 'linux-amd64'"),
        ('tagline = "', 'tagline = "' + "x" * 70, "tagline has"),
        ('blender_version_min = "4.2.0"', 'blender_version_min = "4.2"', "blender_version_min 4.2"),
        ('version = "0', 'version = "v0', "version v0"),
        ("./wheels/pyzmq-27", "./wheels/pyzmq-28", "listed but not in the zip"),
    ],
)
def test_a_bad_manifest_is_refused(addon_zip: Path, tmp_path: Path, old: str, new: str, fault: str) -> None:
    text = manifest_of(addon_zip)
    old, new = (word.replace("linux-x64", build_addon.this_platform()) for word in (old, new))
    assert old in text
    changed = {build_addon.MANIFEST: text.replace(old, new, 1).encode()}
    faults = build_addon.check_zip(with_files(addon_zip, tmp_path / "bad.zip", changed))
    assert any(fault in line for line in faults), faults


@pytest.mark.parametrize(
    ("text", "fault"),
    [("Morphs meshes.", "ends in '.'"), ("", "0 characters"), ("a\tb", "control"), ("x" * 65, "65 characters")],
)
def test_taglines_follow_blenders_rules(text: str, fault: str) -> None:
    assert any(fault in line for line in build_addon.check_text("tagline", text))
    assert build_addon.check_text("tagline", "Morphs one mesh into another (with a network)") == []


def test_bad_content_is_refused(addon_zip: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(addon_zip) as archive:
        wheel = next(name for name in archive.namelist() if name.endswith(".whl"))
    for changes, fault in (
        ({"heavy.py": b"def f():\n    import torch\n"}, "heavy.py imports torch"),
        ({"reach.py": b"from backend.cli import main\n"}, "reach.py imports backend.cli"),
        ({"__pycache__/a.cpython-311.pyc": b"x"}, "compiled files"),
        ({"LICENSE": None}, "LICENSE is missing"),
        ({wheel: None}, "listed but not in the zip"),
        ({"wheels/extra-1.0-cp311-cp311-win_amd64.whl": b"x"}, "in the zip but not listed"),
    ):
        faults = build_addon.check_zip(with_files(addon_zip, tmp_path / "bad.zip", changes))
        assert any(fault in line for line in faults), (fault, faults)


def test_wheels_must_fit_the_platform_and_every_python() -> None:
    linux = [f"wheels/{name}" for name in build_addon.pinned_wheels() if "manylinux" in name]
    assert build_addon.check_wheels(linux, linux, ["linux-x64"]) == []
    on_windows = build_addon.check_wheels(linux, linux, ["windows-x64"])
    assert any("serves none of windows-x64" in fault for fault in on_windows)
    only_old = [name for name in linux if "cp311" in name]
    assert build_addon.check_wheels(only_old, only_old, ["linux-x64"]) == [
        "linux-x64, Python 3.13: wheels of [], not of ['msgpack', 'pyzmq']"
    ]


def test_wheel_names_are_read() -> None:
    wheel = build_addon.Wheel.parse("pyzmq-27.3.0-cp312-abi3-macosx_10_15_universal2.whl")
    assert wheel.platforms() == {"macos-arm64", "macos-x64"}
    assert wheel.serves_python((3, 13))
    assert not wheel.serves_python((3, 11))
    with pytest.raises(build_addon.BuildError, match="not the name of a wheel"):
        build_addon.Wheel.parse("pyzmq.zip")


def test_imports_are_rewritten_wherever_they_stand() -> None:
    source = (
        "from protocol.mesh import (\n    MeshData,\n)\n"
        "é = 1; from protocol import wire\n"
        "def f():\n    from protocol.deep.x import y\n    return 'from protocol.mesh import z'\n"
        "from protocols import other\n"
    )
    rewritten = build_addon.with_relative_imports(source, PurePosixPath("protocol/a.py"))
    assert rewritten == (
        "from .mesh import (\n    MeshData,\n)\n"
        "é = 1; from . import wire\n"
        "def f():\n    from .deep.x import y\n    return 'from protocol.mesh import z'\n"
        "from protocols import other\n"
    )
    assert build_addon.with_relative_imports("from protocol.a import b\n", PurePosixPath("protocol/sub/c.py")) == (
        "from ..a import b\n"
    )
    with pytest.raises(build_addon.BuildError, match=r"protocol/a.py:2"):
        build_addon.with_relative_imports("\nimport protocol.mesh as m\n", PurePosixPath("protocol/a.py"))


def test_a_fault_in_the_sources_stops_the_build_and_leaves_no_zip(project: Path, tmp_path: Path) -> None:
    (project / "addon" / "heavy.py").write_text("import torch\n", encoding="utf-8")
    with pytest.raises(build_addon.BuildError, match=r"heavy\.py imports torch"):
        build_addon.build(tmp_path / "out", "linux-x64")
    assert list((tmp_path / "out").iterdir()) == []


def test_windows_line_ends_and_compiled_files_change_nothing(project: Path, tmp_path: Path) -> None:
    before = build(tmp_path / "a").read_bytes()
    for path in (*(project / "addon").rglob("*.py"), *(project / "protocol").rglob("*.py")):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (project / "addon" / "__pycache__").mkdir()
    (project / "addon" / "__pycache__" / "panel.cpython-311.pyc").write_bytes(b"x")
    assert build(tmp_path / "b").read_bytes() == before


def test_the_version_is_the_backends(project: Path, tmp_path: Path) -> None:
    (project / "backend" / "__init__.py").write_text('raise RuntimeError("imported")\n__version__ = "9.8.7"\n')
    path = build(tmp_path)
    assert path.name == "tweenfield-9.8.7-linux_x64.zip"
    assert 'version = "9.8.7"' in manifest_of(path)


def test_wheels_and_platforms_in_the_template_are_refused(project: Path, tmp_path: Path) -> None:
    template = project / "addon" / build_addon.MANIFEST
    template.write_text('platforms = ["linux-x64"]\n' + template.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(build_addon.BuildError, match="leave both to"):
        build(tmp_path)


def test_offline_without_a_cache_is_a_clear_error(tmp_path: Path) -> None:
    build(tmp_path / "before", "windows-x64")  # fills the usual cache
    closed = {"PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    closed |= {"PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
    command = [
        sys.executable,
        str(ROOT / "build_addon.py"),
        "--platform",
        "windows-x64",
        "--out",
        str(tmp_path / "out"),
    ]
    result = subprocess.run(
        [*command, "--cache", str(tmp_path / "cache")],
        env={**os.environ, **closed},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert result.returncode == 2
    assert "pip could not download msgpack" in result.stderr
    assert "Traceback" not in result.stderr
    assert list((tmp_path / "cache").iterdir()) == []
    assert subprocess.run(command, env={**os.environ, **closed}, timeout=100).returncode == 0  # the cache is enough


def test_a_spoilt_cache_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, digest = next(iter(build_addon.pinned_wheels().items()))
    good = build_addon.fetch(name, digest, build_addon.default_cache())
    (tmp_path / name).write_bytes(good[:-1] + b"?")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    assert build_addon.fetch(name, digest, build_addon.default_cache()) == good
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(build_addon.BuildError, match="could not download"):
        build_addon.fetch(name, digest, tmp_path)
