"""The extension brings its own pyzmq and msgpack: it runs in a Blender whose Python has neither."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

SCRIPT = """
import importlib.machinery, json, os, sys, sysconfig

zip_path, result = sys.argv[1:]
packages = sysconfig.get_path("platlib")


class Hidden:
    # Imports the two from anywhere but this Python's own packages.
    def find_spec(self, name, path=None, target=None):
        if name not in ("zmq", "msgpack"):
            return None
        elsewhere = [folder for folder in sys.path if os.path.abspath(folder) != os.path.abspath(packages)]
        spec = importlib.machinery.PathFinder.find_spec(name, elsewhere)
        if spec is None:
            raise ModuleNotFoundError(name)
        return spec


sys.meta_path.insert(0, Hidden())
import bpy

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
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    profile = tmp_path / "profile"
    done = subprocess.run(
        [str(blender_python), str(script), str(addon_zip), str(tmp_path / "found.json")],
        env={**os.environ, "BLENDER_USER_RESOURCES": str(profile)},
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
