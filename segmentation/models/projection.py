"""The projection to online clusters."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class ProjectionHead(nn.Module):
    """An MLP, L2 normalisation, and cosines to learned prototypes (Caron et al., DINO, 2021).

    The last layer is DINO's weight-normed one with its lengths fixed to 1.

    Args:
        channels: of the input.
        clusters: number of prototypes, the paper's K.
        layers: of the MLP.
        hidden: its width.
        bottleneck: its output.

    Example:
        >>> head = ProjectionHead(8, clusters=5, layers=3, hidden=16, bottleneck=4)
        >>> head(torch.randn(2, 7, 8)).shape
        torch.Size([2, 7, 5])
    """

    def __init__(self, channels: int, clusters: int, layers: int, hidden: int, bottleneck: int) -> None:
        super().__init__()
        widths = [channels, *[hidden] * (layers - 1), bottleneck]
        modules: list[nn.Module] = []
        for index in range(layers):
            modules += [nn.Linear(widths[index], widths[index + 1]), nn.GELU()]
        self.mlp = nn.Sequential(*modules[:-1])
        for module in self.mlp:
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02 if hidden > 1024 else hidden**-0.5)
                nn.init.zeros_(module.bias)
        self.prototypes = nn.Parameter(torch.empty(clusters, bottleneck))
        nn.init.normal_(self.prototypes)

    def forward(self, x: Float[Tensor, "*rows channels"]) -> Float[Tensor, "*rows clusters"]:
        """Cosine of each row with each prototype."""
        return F.linear(F.normalize(self.mlp(x), dim=-1), F.normalize(self.prototypes, dim=-1))
