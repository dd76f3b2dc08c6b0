"""How much what is in a cluster looks like things of its own."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

_PRIOR = 8.0  # segments of the mean score that every cluster is taken to have had


class Thingness(nn.Module):
    r"""The mean score of the segments of each cluster, over the last steps of training.

    The score of one segment is a guess by what can be seen of it. Segments of things have better ones than parts and
    pieces of ground, and clusters tell which those are in a whole data set.

    Args:
        clusters: number of them.
        memory: of the running sums: the share that is left of them after a step.

    Example:
        >>> thingness = Thingness(3)
        >>> thingness()  # nothing seen yet
        tensor([1., 1., 1.])
        >>> thingness.see(torch.tensor([600.0, 100.0, 0.0]), torch.tensor([1000.0, 1000.0, 0.0]))
        >>> thingness().mul(100).round()
        tensor([100.,  17.,  59.])
    """

    scores: Tensor
    counts: Tensor

    def __init__(self, clusters: int, memory: float = 0.99) -> None:
        super().__init__()
        self.memory = memory
        self.register_buffer("scores", torch.zeros(clusters))
        self.register_buffer("counts", torch.zeros(clusters))

    def forward(self) -> Float[Tensor, " clusters"]:
        """The mean score of each cluster, divided by the highest; in (0, 1]."""
        count = self.counts.sum()
        every = torch.where(count > 0, self.scores.sum() / count.clamp(min=1e-6), 1.0)
        mean = (self.scores + _PRIOR * every) / (self.counts + _PRIOR)
        return mean / mean.max()

    @torch.no_grad()
    def see(self, scores: Float[Tensor, " clusters"], counts: Float[Tensor, " clusters"]) -> None:
        """Takes in the segments of a batch.

        Args:
            scores: sum of those in each cluster.
            counts: how many.
        """
        self.scores.mul_(self.memory).add_(scores)
        self.counts.mul_(self.memory).add_(counts)
