"""What went wrong, or cannot be done now, in the artist's words."""

from __future__ import annotations

import platform
import sys

import bpy


class Problem(Exception):
    """Something the artist has to know: ``message`` says what, where and what to do; ``detail`` is for the report."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    def report(self) -> str:
        """The text of "Copy Report"."""
        lines = [
            self.message,
            "",
            f"Blender {bpy.app.version_string}, Python {sys.version.split()[0]}, {platform.platform()}",
        ]
        if self.detail:
            lines += ["", self.detail]
        return "\n".join(lines)


def allowed(operator: type[bpy.types.Operator], reason: str) -> bool:
    """What ``poll`` returns: whether the button can be pressed. Its tooltip tells the reason why not."""
    if reason:
        operator.poll_message_set(reason)
    return not reason
