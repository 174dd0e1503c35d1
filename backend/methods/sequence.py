"""Motions through several poses: source, stops, target, each at an equal share of the time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from backend.fields.derivatives import Field
from backend.flow.advect import advect
from backend.flow.co_moving import CoMoving
from backend.flow.pace import Pace
from backend.geometry.gradient_domain import GradientDomain
from backend.geometry.pose_path import PosePath, path_through
from backend.geometry.repair import WorkingMesh
from backend.methods.method import Pair
from backend.methods.surface_morph import Float
from backend.methods.targets import landing_of


def poses_of(pair: Pair) -> list[Float]:
    """Positions [W, 3] of the source's surface at its start, at every stop and at its end."""
    stops = [stop.positions for stop in pair.stops]
    return [pair.source_surface.positions, *stops, landing_of(pair).positions]


def pose_path(surface: WorkingMesh, poses: Sequence[Float], frame: CoMoving | None = None) -> PosePath:
    """The gradient-domain path from a surface through further poses [W, 3]; ``frame``: theirs, if it is known."""
    domain = GradientDomain(surface.positions, surface.triangles)
    if len(poses) == 1:
        return path_through(domain, poses)
    frame = frame or CoMoving.through([surface.positions, *poses])
    return path_through(domain, poses, frame.turns())


def poses_arrays(poses: Sequence[Float]) -> dict[str, NDArray[Any]]:
    """The stops and the end of a motion [W, 3] as arrays of its state."""
    *stops, end = poses
    return {"end": end} | ({"stops": np.stack(stops)} if stops else {})


def kept_poses(arrays: Mapping[str, NDArray[Any]]) -> list[Float]:
    """The stops and the end that ``poses_arrays`` made ``arrays`` of."""
    stops = arrays.get("stops", ())
    return [np.asarray(pose, np.float64) for pose in (*stops, arrays["end"])]


def time_steps_of(time_steps: int, legs: int) -> int:
    """Steps of the whole motion, so that every pose falls on one.

    A leg of a sequence is part of a motion and gets half the steps of a pair.
    """
    return time_steps if legs == 1 else legs * ((time_steps + 1) // 2)


def through_poses(flow: Tensor, poses: Tensor, pace: Pace) -> Tensor:
    """A flow [K + 1, W, 3] that misses its poses [L + 1, W, 3], put right: at the poses exactly, smoothly between."""
    legs, steps = len(poses) - 1, len(flow) - 1
    missed = poses - flow[:: steps // legs]
    return torch.stack([flow[step] + _spread(missed, step / steps * legs, pace) for step in range(steps + 1)])


def leg_by_leg(field: Field, poses: Tensor, *, steps: int, method: str, pace: Pace) -> Tensor:
    """The flow from every pose to the next, its end put right [K + 1, W, 3]; ``poses`` [L + 1, W, 3]."""
    legs = len(poses) - 1
    parts = [poses[:1]]
    for leg in range(legs):
        start, end = leg / legs, (leg + 1) / legs
        flow = advect(field, poses[leg], start=start, end=end, steps=steps // legs, method=method).positions
        ends = torch.stack([poses[leg], poses[leg + 1]])
        parts.append(through_poses(flow, ends, pace if legs == 1 else Pace(1.0))[1:])
    return torch.cat(parts)


def _spread(missed: Tensor, along: float, pace: Pace) -> Tensor:
    """Residuals at the poses [L + 1, W, 3] at ``along`` in 0..L; one residual at the end goes with the pace."""
    leg = min(int(along), len(missed) - 2)
    share = pace.progress(along) if len(missed) == 2 else Pace(1.0).progress(along - leg)
    return (1.0 - share) * missed[leg] + share * missed[leg + 1]
