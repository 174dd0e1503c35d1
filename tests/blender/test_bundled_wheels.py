"""The extension brings its own pyzmq and msgpack: it is enabled in a Blender whose Python has neither."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

NEEDED = (
    "bpy",
    "numpy",
    "numpy.libs",
    "requests",
    "urllib3",
    "idna",
    "certifi",
    "charset_normalizer",
    "cattrs",
    "attr",
)
NEEDED += ("attrs", "zstandard", "typing_extensions.py")

SCRIPT = """
import json, os, sys
import bpy

zip_path, result = sys.argv[1:]
assert not any(os.path.isdir(os.path.join(folder, "zmq")) for folder in sys.path), sys.path
bpy.ops.extensions.package_install_files(filepath=zip_path, repo="user_default", enable_on_install=True)
import msgpack, zmq

found = {
    "enabled": [addon.module for addon in bpy.context.preferences.addons if addon.module.startswith("bl_ext.")],
    "zmq": zmq.__file__,
    "msgpack": msgpack.__file__,
    "round_trip": msgpack.unpackb(msgpack.packb([1, 2])),
    "curve": zmq.has("curve"),
}
with open(result, "w", encoding="utf-8") as file:
    json.dump(found, file)
os._exit(0)
"""


def test_the_extension_brings_its_own_wheels(addon_zip: Path, blender_python: Path, tmp_path: Path) -> None:
    asked = [str(blender_python), "-c", "import sysconfig; print(sysconfig.get_path('platlib'))"]
    packages = Path(subprocess.run(asked, check=True, capture_output=True, text=True, timeout=60).stdout.strip())
    bare = tmp_path / "bare"  # bpy and what it needs, nothing else
    bare.mkdir()
    for name in NEEDED:
        if (packages / name).exists():
            (bare / name).symlink_to(packages / name)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    profile = tmp_path / "profile"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [str(blender_python), "-S", str(script), str(addon_zip), str(tmp_path / "found.json")],
        env={**environment, "PYTHONPATH": str(bare), "BLENDER_USER_RESOURCES": str(profile)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (tmp_path / "found.json").is_file(), done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert found["enabled"] == ["bl_ext.user_default.tweenfield"]
    assert Path(found["zmq"]).is_relative_to(profile)
    assert Path(found["msgpack"]).is_relative_to(profile)
    assert found["round_trip"] == [1, 2]
    assert found["curve"]  # encryption for remote backends
