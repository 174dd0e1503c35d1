"""``python ending.py ZIP``: a Blender with a job in a backend of its own, for a test of how it ends.

Prints the backend's process id and waits for a line: ``kill`` or ``quit``.
"""

from __future__ import annotations

import os
import signal
import sys

import bpy
import inside


def main() -> None:
    bpy.ops.extensions.package_install_files(filepath=sys.argv[1], repo="user_default", enable_on_install=True)
    inside.empty_file()
    changes = {"method_name": "velocity_field", "preset_name": "high"}
    inside.choose(inside.grid("A"), inside.grid("B", lift=0.5), **changes)
    bpy.ops.tweenfield.morph()
    inside.pump_until(lambda: "raining" in inside.session().bar.text, 90)
    sys.stdout.write(f"pid {inside.session().process.pid}\n")
    sys.stdout.flush()
    if sys.stdin.readline().strip() == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
