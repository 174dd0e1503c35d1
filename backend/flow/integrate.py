"""Fixed-step integrators of dx/dt = V(x, t): Euler, midpoint and the classical fourth-order Runge-Kutta method.

The step is always the time divided by the number of steps, so any number of steps travels the whole way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from backend.fields.derivatives import Field

Step = Callable[[Field, Tensor, float, float, Tensor], Tensor]


def _euler(field: Field, points: Tensor, time: float, dt: float, velocity: Tensor) -> Tensor:
    return points + dt * velocity


def _midpoint(field: Field, points: Tensor, time: float, dt: float, velocity: Tensor) -> Tensor:
    return points + dt * field(points + dt / 2 * velocity, time + dt / 2)


def _rk4(field: Field, points: Tensor, time: float, dt: float, velocity: Tensor) -> Tensor:
    second = field(points + dt / 2 * velocity, time + dt / 2)
    third = field(points + dt / 2 * second, time + dt / 2)
    fourth = field(points + dt * third, time + dt)
    return points + dt / 6 * (velocity + 2 * (second + third) + fourth)


# A step from ``points`` [N, 3] at ``time`` over ``dt``, where ``velocity`` is the field's at the start of the step.
STEPS: Mapping[str, Step] = {"euler": _euler, "midpoint": _midpoint, "rk4": _rk4}


def step_time(start: float, end: float, steps: int, index: int) -> float:
    """Time at the beginning of step ``index``; ``steps`` gives ``end`` itself."""
    return start + (end - start) * (index / steps)


def unroll(
    field: Field, points: Tensor, start: float = 0.0, end: float = 1.0, *, steps: int, method: str = "midpoint"
) -> tuple[list[Tensor], list[Tensor]]:
    """The positions (steps + 1 times [N, 3]) and the velocities at the beginning of each step (steps times [N, 3]).

    Differentiable; the velocities cost nothing, since every method needs them.
    """
    advance, dt = STEPS[method], (end - start) / steps
    positions, velocities = [points], []
    for index in range(steps):
        time = step_time(start, end, steps, index)
        velocities.append(field(positions[-1], time))
        positions.append(advance(field, positions[-1], time, dt, velocities[-1]))
    return positions, velocities
