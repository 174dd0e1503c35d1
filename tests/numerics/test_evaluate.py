"""Values of networks at many points, and the measurement of what their extraction costs."""

from __future__ import annotations

import numpy as np
import torch

from backend.commands.bench.extraction import measure_extraction
from backend.fields.evaluate import CPU_BATCH, evaluated
from backend.fields.implicit import ImplicitField


def test_batches_give_what_one_pass_gives() -> None:
    field = ImplicitField(32, 4, radius=0.6)
    points = np.random.default_rng(0).uniform(-1.0, 1.0, (2 * CPU_BATCH + 7, 3))
    found = evaluated(field, points, 0.3)
    with torch.no_grad():
        whole = field.double()(torch.as_tensor(points), 0.3).numpy()
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, whole, atol=2e-6)
    assert len(evaluated(field.float(), np.zeros((0, 3)), 0.3)) == 0


def test_the_benchmark_of_extraction_has_a_line_for_each_resolution() -> None:
    mode = torch.get_deterministic_debug_mode()
    try:
        figures = measure_extraction(2, ((16, "much"), (32, "more")))
    finally:
        torch.set_deterministic_debug_mode(mode)
    assert [figure.reach for figure in figures] == ["much", "more"]
    assert all("CPU s (" in figure.value and " 0 triangles" not in figure.value for figure in figures)
