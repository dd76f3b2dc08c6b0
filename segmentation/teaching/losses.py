"""The terms of the loss, as sums: what they are divided by is known before and shared by all processes."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def dice_loss(logits: Float[Tensor, "pairs points"], labels: Float[Tensor, "pairs points"]) -> Float[Tensor, ""]:
    r"""Sum over pairs of :math:`1 - (2 \sum p t + 1) / (\sum p + \sum t + 1)` (Milletari et al., V-Net, 2016)."""
    p = logits.sigmoid()
    return (1 - (2 * (p * labels).sum(1) + 1) / (p.sum(1) + labels.sum(1) + 1)).sum()


def cross_entropy_loss(
    logits: Float[Tensor, "pairs points"], labels: Float[Tensor, "pairs points"]
) -> Float[Tensor, ""]:
    """Sum over pairs of the binary cross-entropy, averaged over points."""
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(1).sum()


def objectness_loss(
    logits: Float[Tensor, "views queries"],
    target: Float[Tensor, "views queries"],
    weight: Float[Tensor, "views queries"],
) -> Float[Tensor, ""]:
    """Weighted sum of the binary cross-entropy to soft targets."""
    return (weight * F.binary_cross_entropy_with_logits(logits, target, reduction="none")).sum()


def distillation_loss(
    student: Float[Tensor, "pairs clusters"], teacher: Float[Tensor, "pairs clusters"], temperature: float
) -> Float[Tensor, ""]:
    r"""Sum over pairs of :math:`-\sum_k p_t^k \log p_s^k` (Eq. 1 and 7).

    Args:
        student: cosines with the prototypes.
        teacher: probabilities.
        temperature: of the student's softmax.
    """
    return -(teacher * torch.log_softmax(student / temperature, dim=1)).sum()
