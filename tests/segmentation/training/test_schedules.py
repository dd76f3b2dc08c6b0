"""Schedules against their formulas, written out in another way."""

import numpy as np
import pytest
import torch

from segmentation.training.optimizer import learning_rate, teacher_momentum, teacher_temperature


def cosine(start: float, end: float, count: int) -> np.ndarray:
    """``count`` values of half a cosine, as DINO's ``cosine_scheduler`` makes them."""
    return end + 0.5 * (start - end) * (1 + np.cos(np.pi * np.arange(count) / count))


@pytest.mark.parametrize(("steps", "warmup"), [(50, 10), (50, 0), (7, 6), (160_000, 10_000)])
def test_learning_rate_is_a_ramp_and_half_a_cosine(steps: int, warmup: int) -> None:
    peak = 6.25e-4
    expected = np.concatenate([peak * np.arange(1, warmup + 1) / max(warmup, 1), cosine(peak, 0.0, steps - warmup)])
    places = np.unique(np.linspace(0, steps - 1, 40).astype(int))
    found = [learning_rate(int(step), steps, peak, warmup) for step in places]
    np.testing.assert_allclose(found, expected[places], rtol=1e-12, atol=1e-18)
    assert max(found) <= peak


def test_learning_rate_agrees_with_pytorch() -> None:
    """The cosine part against torch's own scheduler."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    for step in range(20):
        assert learning_rate(step + 5, 25, 0.3, 5) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize(("step", "steps", "warmup"), [(9, 9, 3), (12, 9, 3), (5, 5, 5), (5, 5, 8)])
def test_learning_rate_is_zero_from_the_end_on(step: int, steps: int, warmup: int) -> None:
    assert learning_rate(step, steps, 1.0, warmup) == 0


def test_momentum_is_half_a_cosine_to_one() -> None:
    expected = cosine(0.98, 1.0, 300)
    np.testing.assert_allclose([teacher_momentum(step, 300, 0.98) for step in range(300)], expected, rtol=1e-14)
    assert teacher_momentum(300, 300, 0.98) == teacher_momentum(999, 300, 0.98) == 1


def test_temperature_is_linear_then_flat() -> None:
    expected = np.concatenate([np.linspace(0.04, 0.07, 41), np.full(20, 0.07)])
    np.testing.assert_allclose([teacher_temperature(step, 0.04, 0.07, 40) for step in range(61)], expected, rtol=1e-14)
    assert teacher_temperature(0, 0.04, 0.07, 0) == 0.07
