"""Names for the array types of this folder."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.integer[Any]]
Reals = NDArray[np.floating[Any]]
