"""Makes the optimizer, and the schedules of learning rate, momentum and temperature."""

import math

import torch
from torch import Tensor, nn

from segmentation.config.training import TrainSettings
from segmentation.models.universal_model import UniversalModel


def learning_rate(step: int, steps: int, peak: float, warmup: int) -> float:
    r"""Computes the learning rate of a step: linear warm-up to ``peak``, then a cosine to zero.

    .. math::
        \eta_t = \begin{cases}
            \eta \, (t + 1) / w & t < w \\
            \tfrac12 \eta \, (1 + \cos(\pi \, (t - w) / (T - w))) & w \le t < T \\
            0 & t \ge T
        \end{cases}

    Args:
        step: t, from 0.
        steps: T, number of steps of the whole training.
        peak: highest rate, of steps w - 1 and w.
        warmup: w, number of steps of the warm-up.

    Example:
        >>> [learning_rate(step, 8, 1.0, 4) for step in (0, 1, 3, 4, 6, 8)]
        [0.25, 0.5, 1.0, 1.0, 0.5, 0.0]
    """
    if step >= steps:
        return 0.0
    if step < warmup:
        return peak * (step + 1) / warmup
    return 0.5 * peak * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def teacher_momentum(step: int, steps: int, start: float) -> float:
    r"""Computes the momentum of the teacher, rising to 1 by a cosine (DINO, https://arxiv.org/abs/2104.14294).

    .. math:: m_t = 1 - \tfrac12 (1 - m_0) (1 + \cos(\pi \, t / T))

    Args:
        step: t, from 0; later than ``steps`` it stays 1.
        steps: T, number of steps of the whole training.
        start: m_0, momentum of the first step.

    Example:
        >>> [round(teacher_momentum(step, 100, 0.996), 4) for step in (0, 50, 100)]
        [0.996, 0.998, 1.0]
    """
    return 1 - 0.5 * (1 - start) * (1 + math.cos(math.pi * min(step / steps, 1.0)))


def teacher_temperature(step: int, first: float, last: float, steps: int) -> float:
    r"""Computes the temperature of the teacher's softmax over clusters: linear, then flat (DINO).

    .. math:: \tau_t = \tau_0 + (\tau_1 - \tau_0) \min(t / T, 1)

    Args:
        step: t, from 0.
        first: tau_0, temperature of the first step.
        last: tau_1, temperature from step ``steps`` on.
        steps: T; 0 for ``last`` from the beginning.

    Example:
        >>> [round(teacher_temperature(step, 0.04, 0.07, 30), 3) for step in (0, 10, 30, 99)]
        [0.04, 0.05, 0.07, 0.07]
    """
    return last if step >= steps else first + (last - first) * step / steps


def make_optimizer(model: UniversalModel, settings: TrainSettings) -> torch.optim.AdamW:
    """Makes AdamW with one group for each learning-rate factor and weight decay.

    The vision transformer learns more slowly; biases, norms, gates, embeddings and prototypes are not decayed.

    Args:
        model: the student.
        settings: settings of the training.
    """
    vit = {id(parameter) for parameter in model.encoder.vit.parameters()}
    bare = {id(parameter) for parameter in _undecayed(model)}
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            factor = settings.encoder.lr_factor if id(parameter) in vit else 1.0
            decay = 0.0 if id(parameter) in bare else settings.optimizer.weight_decay
            groups.setdefault((factor, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "weight_decay": decay, "lr_factor": factor}
            for (factor, decay), parameters in groups.items()
        ],
        lr=settings.optimizer.lr,
    )


def set_learning_rate(optimizer: torch.optim.Optimizer, settings: TrainSettings, step: int) -> float:
    """Sets each group's share of the step's learning rate, and returns the rate."""
    wanted = settings.optimizer
    rate = learning_rate(step, wanted.steps, wanted.lr, wanted.warmup)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]
    return rate


def _undecayed(model: nn.Module) -> list[Tensor]:
    """Lists the parameters of one dimension, and those that belong to no linear map or convolution."""
    maps = (nn.Linear, nn.modules.conv._ConvNd)
    return [
        parameter
        for module in model.modules()
        for parameter in module.parameters(recurse=False)
        if parameter.dim() < 2 or not isinstance(module, maps)
    ]
