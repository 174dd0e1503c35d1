"""The motion of a trained velocity field: its flow in the co-moving frame, plus the residual correction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backend.fields.sequence_velocity import Velocity, field_of
from backend.flow.advect import Path, advect
from backend.flow.co_moving import CoMoving
from backend.flow.keyed_path import KeyedPath
from backend.flow.pace import Pace
from backend.geometry.binding import Binding
from backend.geometry.repair import WorkingMesh
from backend.methods.sequence import leg_by_leg
from backend.methods.state import load_weights, weights_of
from backend.methods.surface_morph import Float, Motion

CORRECTION_REACH = 0.25  # distance, in frame units, at which a carried point takes half the surface's correction


class VelocityMotion(Motion):
    """x(t) = frame(t)( flow of V + correction(t) ), kept as the corrected positions at the time steps.

    The correction itself is needed again only for what rides along, and is then found by integrating V anew.
    """

    def __init__(
        self,
        surface: WorkingMesh,
        end: Float,  # [W, 3]
        velocity: Velocity,
        frame: CoMoving,
        pace: Pace,
        integrator: str,
        corrected: torch.Tensor,  # [K + 1, W, 3], frame units
    ) -> None:
        self.time_steps = len(corrected) - 1
        self._surface = surface
        self._end = end
        self.velocity = velocity
        self.frame = frame
        self.pace = pace
        self._integrator = integrator
        self._corrected = KeyedPath.through(corrected)

    def positions(self, times: Sequence[float]) -> Iterator[Float]:
        for t in times:
            if t in (0.0, 1.0):
                yield self._end if t else self._surface.positions
                continue
            yield self._leave(self._corrected.at(t), t)

    def carries(self, points: Float, times: Sequence[float]) -> Iterator[Float]:
        binding = Binding(points, self._surface.positions, self._surface.triangles)
        share = 1.0 / (1.0 + (binding.distances / self.frame.unit / CORRECTION_REACH) ** 2)  # [N]
        flow = self._advect(points)
        near = binding.vertices
        surface_flow = self._advect(self._surface.positions[near])
        for t in times:
            missed = self._corrected.at(t)[near] - surface_flow.at(t)
            correction = binding.interpolate(missed.cpu().double().numpy())
            moved = flow.at(t).cpu().double().numpy() + share[:, None] * correction
            yield points if t == 0.0 else self.frame.leave(moved, self.pace.progress(t))

    def retrained(self) -> VelocityMotion:
        """The same motion after its velocity was trained on: what it misses of the poses is found again."""
        keys = self._corrected.positions
        poses = keys[:: self.time_steps // self.pace.legs]
        corrected = leg_by_leg(self.velocity, poses, steps=self.time_steps, method=self._integrator, pace=self.pace)
        return VelocityMotion(
            self._surface, self._end, self.velocity, self.frame, self.pace, self._integrator, corrected
        )

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        arrays = weights_of("velocity", self.velocity)
        arrays["corrected"] = self._corrected.positions.cpu().numpy()
        arrays["end"] = self._end
        values = {
            "shape": asdict(self.velocity.shape),
            "frame": self.frame.state(),
            **asdict(self.pace),
            "integrator": self._integrator,
        }
        return arrays, values

    @staticmethod
    def restore(
        surface: WorkingMesh, arrays: dict[str, NDArray[Any]], values: dict[str, Any], device: torch.device
    ) -> VelocityMotion:
        """The motion whose ``state()`` was ``arrays`` and ``values``."""
        velocity = field_of(values["shape"])
        load_weights("velocity", velocity, arrays)
        return VelocityMotion(
            surface,
            np.asarray(arrays["end"], np.float64),
            velocity.to(device),
            CoMoving.from_state(values["frame"]),
            Pace(values["rest_at_ends"], values.get("rest_at_stops", 0.0), values.get("legs", 1)),
            values["integrator"],
            torch.tensor(arrays["corrected"], device=device),
        )

    def _advect(self, points: Float) -> Path:
        start = torch.as_tensor(self.frame.enter(points, 0.0), dtype=torch.float32)
        return advect(
            self.velocity, start.to(self._corrected.positions.device), steps=self.time_steps, method=self._integrator
        )

    def _leave(self, points: torch.Tensor, t: float) -> Float:
        return self.frame.leave(points.cpu().double().numpy(), self.pace.progress(t))
