"""Micro-batches in several threads give, bit for bit, what they give one after the other."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from segmentation.training import step as step_module
from segmentation.training.batches import TrainBatches
from segmentation.training.micro_batch_threads import MicroBatchThreads
from segmentation.training.run import first_student
from segmentation.training.step import TrainStep
from tests.segmentation.training.tiny import ALONE, FROZEN, WINDOWS, differences, tiny

pytestmark = pytest.mark.usefixtures("as_users_call_it")  # long runs, of parts whose types are checked elsewhere


@pytest.mark.parametrize("changes", [(), FROZEN, WINDOWS])
def test_threads_change_nothing(changes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tiny("optimizer={batch_size: 4, accumulate: 3, steps: 3}", "views.global_views=1", *changes)
    made = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(step_module.torch, "get_num_threads", lambda threads=threads: threads)
        step = TrainStep(first_student(settings), settings, ALONE)
        assert (step.threads.pool is None) == (threads == 1)
        reports = [step.learn(samples, index) for index, samples in enumerate(TrainBatches(settings).starting_at(0))]
        made.append({"state": step.state_dict(), "figures": [report.figures for report in reports]})
    assert len(made[0]["figures"]) == 3
    assert differences(made[1], made[0]) == []
    assert differences(made[2], made[0]) == []


def squared(scale: float) -> Callable[[nn.Module], float]:
    def job(model: nn.Module) -> float:
        loss = scale * model(torch.ones(1, 3)).square().sum()
        loss.backward()
        return loss.item()

    return job


@pytest.mark.parametrize("threads", [1, 3])
def test_gradients_are_added_to_those_that_are_there(threads: int) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)).requires_grad_(True)
    model[0].requires_grad_(False)
    squared(8.0)(model)
    pool = MicroBatchThreads(model, threads)
    losses = pool.backward([squared(float(2**power)) for power in range(3)])
    found = model[1].weight.grad
    assert model[0].weight.grad is None
    model.zero_grad()
    squared(1.0)(model)
    assert losses == pytest.approx([losses[0], 2 * losses[0], 4 * losses[0]])
    torch.testing.assert_close(found, 15 * model[1].weight.grad)


def test_weights_that_change_are_seen_by_all_threads() -> None:
    model = nn.Linear(2, 1)
    pool = MicroBatchThreads(model, 2)
    with torch.no_grad():
        model.weight.fill_(3.0)
    assert pool.backward([lambda own: own.weight.sum().item()] * 4) == [6.0] * 4


def test_an_error_in_a_part_is_raised_and_leaves_no_gradients_behind() -> None:
    model = nn.Linear(3, 1)

    def fail(own: nn.Module) -> Any:
        squared(1.0)(own)
        raise ArithmeticError("no number")

    pool = MicroBatchThreads(model, 2)
    with pytest.raises(ArithmeticError, match="no number"):
        pool.backward([fail])
    pool.backward([squared(0.0)] * 4)
    assert not model.weight.grad.any()
