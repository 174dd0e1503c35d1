"""The training loop, its schedules, and the paper's training on motions known in closed form."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from backend.fields.velocity import VelocityField, paper_shape
from backend.flow.advect import advect
from backend.methods.velocity_paper import PaperPair, PaperTraining, fit_paper, velocity_loss
from backend.training.adam import Adam
from backend.training.loop import MAX_SKIPPED, TrainingError, train
from backend.training.run import Cancelled, Run
from backend.training.schedule import Cosine, Halving
from tests.numerics import published


class Bowl(nn.Module):
    """One parameter; its loss is the square of its distance from 3."""

    def __init__(self) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor(0.0))

    def loss(self, step: int) -> Tensor:
        return (self.at - 3.0).square()


def test_halving_is_the_published_schedule() -> None:
    schedule = Halving()
    assert schedule.rate(0, 0.0) == schedule.rate(1999, 0.9) == 1e-3
    assert schedule.rate(2000, 0.0) == 5e-4
    assert schedule.rate(8000, 0.0) == pytest.approx(6.25e-5)
    assert schedule.rate(15_999, 0.0) > schedule.rate(16_000, 0.0) == 5e-6
    assert schedule.rate(10**6, 0.0) == 5e-6


def test_cosine_goes_down_with_what_is_done() -> None:
    schedule = Cosine(first=1.0, last=0.1, warm_up=10)
    assert schedule.rate(0, 0.0) == pytest.approx(0.1)
    assert schedule.rate(9, 0.0) == pytest.approx(1.0)
    assert schedule.rate(100, 0.5) == pytest.approx(0.55)
    assert schedule.rate(100, 1.0) == pytest.approx(0.1)
    assert schedule.rate(100, 1.7) == pytest.approx(0.1)  # a last step that began just in time


def test_minimises_and_reports_every_step() -> None:
    bowl, seen = Bowl(), list[tuple[str, int, int]]()
    run = Run(on_progress=lambda phase, step, total, loss, left: seen.append((phase, step, total)))
    with run.phase("training"):
        outcome = train(bowl, bowl.loss, steps=400, schedule=Halving(0.1, 200), run=run)
    assert bowl.at.item() == pytest.approx(3.0, abs=1e-2)
    assert outcome.steps == 400
    assert [step for phase, step, _ in seen if phase == "training"] == list(range(401))
    assert {total for _, step, total in seen if step} == {400}


def test_keeps_the_best_state_when_training_goes_astray() -> None:
    bowl = Bowl()

    def loss(step: int) -> Tensor:
        return bowl.loss(step) if step < 200 else -bowl.loss(step) + 100.0

    outcome = train(bowl, loss, steps=300, schedule=Halving(0.1, 1000), run=Run(), check_every=50)
    assert outcome.best_step == 200
    assert bowl.at.item() == pytest.approx(3.0, abs=0.1)


def test_leaves_out_updates_whose_gradient_is_not_a_number() -> None:
    bowl = Bowl()

    def loss(step: int) -> Tensor:
        return bowl.loss(step) * (math.nan if step % 3 == 0 else 1.0)

    outcome = train(bowl, loss, steps=300, schedule=Halving(0.1, 200), run=Run())
    assert outcome.skipped == 100
    assert bowl.at.item() == pytest.approx(3.0, abs=0.05)
    assert math.isfinite(outcome.best_loss)


def test_gives_up_when_no_gradient_is_a_number() -> None:
    bowl = Bowl()
    with pytest.raises(TrainingError, match=f"{MAX_SKIPPED} gradients in a row"):
        train(bowl, lambda step: bowl.loss(step) * math.nan, steps=10**6, schedule=Halving(), run=Run())
    assert bowl.at.item() == 0.0


def test_stops_in_time_and_leaves_the_reserve() -> None:
    bowl, run = Bowl(), Run(seconds=1.5)

    def slow(step: int) -> Tensor:
        time.sleep(0.01)
        return bowl.loss(step)

    outcome = train(bowl, slow, steps=10**6, schedule=Cosine(0.1), run=run, reserve=1.0)
    assert 0.0 < run.seconds_left() <= 1.0
    assert outcome.steps < 60
    assert bowl.at.item() > 0.0


def test_no_time_at_all_leaves_the_module_as_it_was() -> None:
    bowl = Bowl()
    outcome = train(bowl, bowl.loss, steps=10, schedule=Halving(), run=Run(seconds=0.0))
    assert (outcome.steps, bowl.at.item()) == (0, 0.0)


def test_cancel_is_heard_at_the_next_step() -> None:
    bowl, asked = Bowl(), list[int]()
    run = Run(cancelled=lambda: len(asked) > 4)

    def loss(step: int) -> Tensor:
        asked.append(step)
        return bowl.loss(step)

    with pytest.raises(Cancelled):
        train(bowl, loss, steps=100, schedule=Halving(), run=run)
    assert asked == [0, 1, 2, 3, 4]


def test_adam_is_pytorchs() -> None:
    ours, theirs = (VelocityField(paper_shape(2), zero_last=False).double() for _ in range(2))
    points = torch.rand((20, 3), dtype=torch.float64)
    adam, twin = Adam(list(ours.parameters())), torch.optim.Adam(theirs.parameters(), lr=1e-3)
    for step in range(12):
        rate = 1e-3 / (1 + step)
        gradients = torch.autograd.grad(ours(points, 0.0).square().sum(), adam.parameters)
        adam.step(list(gradients), rate)
        twin.zero_grad()
        theirs(points, 0.0).square().sum().backward()
        twin.param_groups[0]["lr"] = rate
        twin.step()
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def turned_pair() -> tuple[PaperPair, Tensor]:
    """Points on a sphere and the same turned by 50 degrees about z and moved."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn((400, 3), generator=generator)
    points = 0.5 * points / points.norm(dim=1, keepdim=True)
    c, s = math.cos(math.radians(50)), math.sin(math.radians(50))
    moved = points @ torch.tensor([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]) + torch.tensor([0.1, 0.0, 0.2])
    return PaperPair(points, moved, torch.ones(400), points.flip(0)), points


SMALL = PaperTraining(steps=3, batch=60, updates=100, schedule=Halving(every=50))


@pytest.mark.parametrize(
    "training",
    [
        pytest.param(SMALL, id="as-published"),
        pytest.param(replace(SMALL, steps=2, updates=60, activation="softplus", divergence_weight=1.0), id="smooth"),
        pytest.param(replace(SMALL, time_dependent=True, zero_last=False), id="time-dependent"),
    ],
)
def test_the_papers_training_learns_a_motion(training: PaperTraining) -> None:
    pair, points = turned_pair()
    velocity, outcome = fit_paper(pair, training, Run())
    end = advect(velocity, points, steps=training.steps, method="euler").at(1.0)
    before = (pair.target - pair.source).norm(dim=1).mean()
    assert (end - pair.target).norm(dim=1).mean() < 0.15 * before
    assert outcome.steps == training.updates


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    pair, points = turned_pair()
    few = replace(SMALL, updates=5)
    first, second, third = (fit_paper(pair, few, Run(seed=seed))[0] for seed in (7, 7, 8))
    assert torch.equal(first(points, 0.0), second(points, 0.0))
    assert not torch.equal(first(points, 0.0), third(points, 0.0))


def test_previews_are_of_the_field_as_it_is_and_never_slow_the_training() -> None:
    pair, points = turned_pair()
    shown = list[Tensor]()
    run = Run(on_preview=shown.append)

    def preview(field: VelocityField) -> Tensor:
        time.sleep(0.005)
        return field(points, 0.0).detach()

    started = time.monotonic()
    fit_paper(pair, replace(SMALL, updates=60), run, preview=preview)
    seconds = time.monotonic() - started
    assert len(shown) >= 2
    assert 0.005 * len(shown) <= 0.05 * seconds + 0.01
    assert not torch.equal(shown[0], shown[-1])


def test_a_pair_without_trust_is_not_matched() -> None:
    pair, _ = turned_pair()
    wrong = pair.target.clone()
    wrong[:40] += 5.0
    weights = torch.ones(400)
    weights[:40] = 0.0
    noisy = PaperPair(pair.source, wrong, weights, pair.surface)
    few = replace(SMALL, updates=3)
    one, other = fit_paper(noisy, few, Run())[0], fit_paper(replace(pair, weights=weights), few, Run())[0]
    assert torch.equal(one(pair.source, 0.0), other(pair.source, 0.0))


def test_the_loss_is_the_published_one() -> None:
    """The total of the velocity stage at the authors' own weights and batch."""
    truth = published.arrays()
    x, y = torch.from_numpy(truth["batch_input_x"]), torch.from_numpy(truth["batch_input_y"])
    half = len(x) // 2
    velocity = VelocityField(paper_shape(5))
    published.load(velocity, "velocity")
    loss = velocity_loss(velocity, x[:half], y[:half], torch.ones(half), x[half:], PaperTraining(steps=5))
    assert loss.item() == pytest.approx(float(truth["velocity_stage_loss"]), rel=2e-5)


def test_phases_do_not_count_what_lies_within_them() -> None:
    run = Run()
    with run.phase("outer"):
        time.sleep(0.05)
        for _ in range(2):
            with run.phase("inner"):
                time.sleep(0.1)
    outer, inner = (run.phase_seconds[name][0] for name in ("outer", "inner"))
    assert 0.05 <= outer < 0.15
    assert 0.2 <= inner < 0.4
