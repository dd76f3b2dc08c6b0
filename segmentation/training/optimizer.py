"""AdamW over the parts of the network."""

import torch
from torch import Tensor, nn

from segmentation.config.training import TrainSettings
from segmentation.models.universal_model import UniversalModel
from segmentation.training.schedules import learning_rate


def make_optimizer(model: UniversalModel, settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW whose groups know their part of the learning rate.

    The vision transformer learns more slowly; biases, norms, gates, embeddings and prototypes are not decayed.

    Args:
        model: the student.
        settings: of the run.
    """
    vit = {id(parameter) for parameter in model.encoder.vit_parameters()}
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
    """Gives each group its part of the step's learning rate, which is returned."""
    wanted = settings.optimizer
    rate = learning_rate(step, wanted.steps, wanted.lr, wanted.warmup)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]
    return rate


def _undecayed(model: nn.Module) -> list[Tensor]:
    """Parameters of one dimension, and those that belong to no linear map or convolution."""
    maps = (nn.Linear, nn.modules.conv._ConvNd)
    return [
        parameter
        for module in model.modules()
        for parameter in module.parameters(recurse=False)
        if parameter.dim() < 2 or not isinstance(module, maps)
    ]
