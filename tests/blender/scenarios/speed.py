"""How much of Blender's main thread a morph takes. The limits are generous: a busy machine must not fail these."""

from __future__ import annotations

import time
from typing import Any

import bpy
import inside
import numpy as np
from inside import choose, grid, pump_until, session

SIDE = 224  # 50,176 vertices
EDGES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 1e9)  # milliseconds


def check_a_hundred_keys_of_fifty_thousand_vertices(facts: Any) -> None:
    choose(grid("A", SIDE), grid("B", SIDE, lift=0.5), keys=100)
    begun = time.perf_counter()
    assert bpy.ops.tweenfield.morph() == {"FINISHED"}
    facts.press_ms = 1000 * (time.perf_counter() - begun)
    pump_until(lambda: session().job is not None)
    pump_until(lambda: session().job.frames > 0, 90)
    keys_before, begun = session().job.frames, time.process_time()
    ticks = np.array(pump_until(lambda: session().job.frames == 100, 90)) * 1000
    facts.cpu_s_per_100_keys = (time.process_time() - begun) * 100 / (100 - keys_before)
    begun = time.perf_counter()
    pump_until(lambda: not session().busy)
    facts.end_ms = 1000 * (time.perf_counter() - begun)
    assert session().problem is None, session().problem.report()
    assert len(inside.result().data.shape_keys.key_blocks) == 100
    counts = np.histogram(ticks, EDGES)[0].tolist()
    facts.ticks_up_to_ms = {f"{edge:g}": count for edge, count in zip(EDGES[1:], counts, strict=True)}
    facts.longest_tick_ms = float(ticks.max())
    assert (ticks > 10).mean() < 0.1
    assert facts.cpu_s_per_100_keys < 4.5


def check_ticks_of_a_preview(facts: Any) -> None:
    choose(
        grid("A", SIDE),
        grid("B", SIDE, lift=0.5),
        method_name="velocity_field",
        preset_name="draft",
        live_preview=True,
        limit_time=True,
        seconds=5.0,
    )
    bpy.ops.tweenfield.morph()
    pump_until(lambda: session().job is not None)
    begun = time.perf_counter()
    ticks = pump_until(lambda: any(ob.get("tweenfield_preview") for ob in bpy.data.objects), 90)
    facts.first_preview_s = time.perf_counter() - begun
    for _ in range(100):
        ticks.append(inside.tick())
        time.sleep(0.005)
    facts.longest_tick_ms = 1000 * max(ticks)
    assert np.mean(np.array(ticks) > 0.01) < 0.1


def check_ticks_of_new_surfaces(facts: Any) -> None:
    """Meshes of about 50,000 vertices, each with faces, two UV layers and colours of its own."""
    for way in ("keyed_objects", "one_object"):
        inside.empty_file()
        choose(
            grid("A"),
            grid("B", lift=0.5),
            method_name="own_faces",
            topology="remesh",
            resolution=154,
            keys=12,
            frames_as=way,
        )
        bpy.ops.tweenfield.morph()
        pump_until(lambda: session().job is not None and session().job.frames > 0, 90)
        ticks = np.array(pump_until(lambda: session().job.frames == 12, 90)) * 1000
        begun = time.perf_counter()
        pump_until(lambda: not session().busy)
        end_ms = 1000 * (time.perf_counter() - begun)
        assert session().problem is None, session().problem.report()
        counts = np.histogram(ticks, (*EDGES[:-1], 50.0, 100.0, 1e9))[0].tolist()
        up_to = [*(f"{edge:g}" for edge in EDGES[1:-1]), "50", "100", "more"]
        facts.__dict__[way] = dict(zip(up_to, counts, strict=True)) | {"longest": float(ticks.max()), "end": end_ms}
        assert np.median(ticks) < 10
        assert ticks.max() < 400
