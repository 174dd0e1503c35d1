"""What a panel shows of its job: settings that rest, the button, the bar while it runs, and what became of it."""

from __future__ import annotations

from collections.abc import Callable

import bpy

from .layout import paragraph, split
from .running import current
from .session import CANCELLED


def resting(layout: bpy.types.UILayout | None) -> bpy.types.UILayout:
    """A column of settings, which rest while a job runs."""
    column = split(layout)
    column.enabled = not current().busy
    return column


def draw_job(
    layout: bpy.types.UILayout,
    context: bpy.types.Context,
    panel: str,
    buttons: Callable[[bpy.types.UILayout], None],
    why_not: str,
    expected: Callable[[], str],
) -> None:
    """``buttons`` draws what starts a job, ``why_not`` says why it cannot, and ``expected`` what would happen."""
    session = current()
    here = session.panel == panel
    layout.separator()
    # Cancel takes the place of the button, and the bar stands below: were the bar or a greyed button under the mouse,
    # Blender would go on drawing their colours there, over what follows, until the mouse moves.
    row = layout.row()
    row.scale_y = 1.5
    if session.busy and here:
        row.operator("tweenfield.cancel", icon="X")
        if session.training:  # it stays where it is when it was pressed, or Cancel would come under the mouse
            row.operator("tweenfield.finish", icon="CHECKMARK", depress=session.finishing)
        layout.progress(factor=session.bar.fraction, type="BAR", text=session.bar.text)
        return
    buttons(row)
    if session.problem is not None and here:
        box = layout.box()
        paragraph(box, context, session.problem.message, "ERROR")
        row = box.row(align=True)
        row.operator("tweenfield.copy_report", icon="COPYDOWN")
        row.operator("tweenfield.open_log", icon="TEXT")
        return
    if why_not:
        paragraph(layout, context, why_not, "INFO")
    elif session.outcome and here:
        paragraph(layout, context, session.outcome, "CANCEL" if session.outcome == CANCELLED else "CHECKMARK")
    else:
        paragraph(layout, context, expected(), "INFO")
