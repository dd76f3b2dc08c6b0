"""Keeps the teacher's clusters from collapsing, and tells when they do."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

PATIENCE = 100  # steps
LEAST = 0.03  # share of the largest possible information


class Centering(nn.Module):
    r"""Centres and sharpens logits: :math:`softmax((z - c) / T)` with a running mean c of the logits (DINO, 2021).

    Args:
        clusters: number of clusters.
        momentum: momentum of the running mean; ``None`` keeps it at zero.

    Example:
        >>> centering = Centering(3, momentum=0.9)
        >>> centering.update(torch.tensor([1.0, 0.0, 0.0]))
        >>> centering.center
        tensor([0.1000, 0.0000, 0.0000])
    """

    center: Tensor

    def __init__(self, clusters: int, momentum: float | None) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("center", torch.zeros(clusters))

    def forward(self, logits: Float[Tensor, "rows clusters"], temperature: float) -> Float[Tensor, "rows clusters"]:
        """Turns logits into probabilities; each row adds up to 1."""
        return torch.softmax((logits.float() - self.center) / temperature, dim=-1)

    @torch.no_grad()
    def update(self, mean: Float[Tensor, " clusters"]) -> None:
        """Takes the mean logits of a whole batch, over all processes, into the running mean."""
        if self.momentum is not None:
            self.center.lerp_(mean, 1 - self.momentum)


class CollapseMonitor(nn.Module):
    r"""Warns when the teacher's clusters no longer tell segments apart.

    It watches the mutual information of segments and clusters, :math:`I = H(\bar p) - \overline{H(p)}` over running
    means, as a share of :math:`\log K`. Both ways to collapse bring it to zero: every segment in one cluster (both
    entropies small), or every segment in all clusters alike (both large).

    Args:
        clusters: number of clusters.
        memory: length of the running means, in steps.

    Example:
        >>> monitor = CollapseMonitor(4)
        >>> for _ in range(PATIENCE):
        ...     warning = monitor.update(torch.full((4,), 0.25), entropy=math.log(4))
        >>> warning
        'collapse: the teacher puts every segment in all clusters alike; lower losses.teacher_temperature'
    """

    mean: Tensor
    entropy: Tensor
    bad: Tensor
    steps: Tensor

    def __init__(self, clusters: int, memory: int = 20) -> None:
        super().__init__()
        self.memory = memory
        self.register_buffer("mean", torch.zeros(clusters))
        self.register_buffer("entropy", torch.zeros(()))
        self.register_buffer("bad", torch.zeros((), dtype=torch.long))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def update(self, mean: Float[Tensor, " clusters"], entropy: float) -> str | None:
        """Takes in a batch, and returns a warning once a collapse has lasted for :data:`PATIENCE` steps.

        Args:
            mean: the teacher's probabilities, averaged over the segments of the whole batch.
            entropy: entropy of a segment's probabilities, averaged likewise, in nats.
        """
        share = 1 / min(int(self.steps) + 1, self.memory)
        self.mean.lerp_(mean.to(self.mean.dtype), share)
        self.entropy.lerp_(torch.as_tensor(entropy, dtype=self.entropy.dtype, device=self.entropy.device), share)
        self.steps += 1
        self.bad.copy_(self.bad + 1 if self.information < LEAST else torch.zeros_like(self.bad))
        if self.bad != PATIENCE:
            return None
        if self.entropy > 0.5 * math.log(self.mean.numel()):
            return "collapse: the teacher puts every segment in all clusters alike; lower losses.teacher_temperature"
        return "collapse: the teacher puts every segment in one cluster; see losses.centering and its momentum"

    @property
    def information(self) -> float:
        """Returns the mutual information of segments and clusters, as a share of the largest possible, in [0, 1]."""
        return float(entropies(self.mean) - self.entropy) / math.log(max(self.mean.numel(), 2))

    def figures(self) -> dict[str, float]:
        """Returns figures for the log: entropy per segment, information, effective number of clusters in use."""
        return {
            "teacher_entropy": float(self.entropy),
            "information": self.information,
            "clusters_used": float(entropies(self.mean).exp()),
        }


def entropies(probabilities: Float[Tensor, "*rows clusters"]) -> Float[Tensor, "*rows"]:
    """Computes the entropy of each row, in nats."""
    return -torch.special.xlogy(probabilities, probabilities).sum(-1)
