"""Centring and sharpening of the teacher's clusters, against collapse."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Centering(nn.Module):
    r"""Probabilities of clusters, :math:`softmax((z - c) / T)` with a running mean c of the logits (DINO, 2021).

    Args:
        clusters: number of them.
        momentum: of the mean; ``None`` keeps it at zero.

    Example:
        >>> centering = Centering(3, momentum=0.9)
        >>> centering.see(torch.tensor([1.0, 0.0, 0.0]))
        >>> centering.center
        tensor([0.1000, 0.0000, 0.0000])
    """

    center: Tensor

    def __init__(self, clusters: int, momentum: float | None) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("center", torch.zeros(clusters))

    def forward(self, logits: Float[Tensor, "rows clusters"], temperature: float) -> Float[Tensor, "rows clusters"]:
        """Probabilities, each row adding up to 1."""
        return torch.softmax((logits.float() - self.center) / temperature, dim=-1)

    @torch.no_grad()
    def see(self, mean: Float[Tensor, " clusters"]) -> None:
        """Takes the mean logits of a whole batch, over all processes, into the running mean."""
        if self.momentum is not None:
            self.center.lerp_(mean, 1 - self.momentum)
