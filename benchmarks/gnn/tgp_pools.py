"""Layers of torch-geometric-pool (the extra ``peers``)."""

import math
from typing import Any

from torch import Tensor, nn

from benchmarks.gnn.coarse import Coarse


def tgp_pool(name: str, channels: int, clusters: int | None = None) -> nn.Module:
    """A layer by the name of its class; dense ones make so many clusters of every graph.

    Raises:
        ImportError: torch-geometric-pool, or something that it needs, is not installed.
    """
    try:
        from tgp import poolers
    except ImportError as error:
        raise ImportError(f"needs torch-geometric-pool: pip install 'graphpool[peers]' ({error})") from error
    if clusters is None:
        return FromTgp(getattr(poolers, name)(in_channels=channels))
    return FromTgp(getattr(poolers, name)(in_channels=channels, k=clusters, batched=False, sparse_output=True))


def clusters_of(nodes_of_a_graph: float, kept: float) -> int:
    """How many clusters keep about a fraction of the nodes."""
    return max(2, math.ceil(kept * nodes_of_a_graph))


class FromTgp(nn.Module):
    """A layer of torch-geometric-pool."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None, batch: Tensor) -> Coarse:
        """Pools."""
        found: Any = self.layer(x=x, adj=edge_index, edge_weight=edge_weight, batch=batch)

        def lift(rows: Tensor) -> Tensor:
            lifted: Tensor = self.layer(x=rows, so=found.so, batch=batch, batch_pooled=found.batch, lifting=True)
            return lifted

        loss = sum(found.loss.values()) if found.has_loss else None
        return Coarse(found.x, found.edge_index, found.edge_weight, found.batch, lift, loss)
