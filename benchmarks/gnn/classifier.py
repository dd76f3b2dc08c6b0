"""The network that every pooling layer is put into."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import GCNConv, global_add_pool, global_max_pool, global_mean_pool

from benchmarks.gnn.pools import Coarse

READOUTS: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "sum": global_add_pool,
    "mean and max": lambda x, batch, size: torch.cat(
        [global_mean_pool(x, batch, size), global_max_pool(x, batch, size)], dim=1
    ),
}


class Classified(NamedTuple):
    """Logits ``[graphs, classes]``, what the pooling layers add to the loss, and the nodes before and after each."""

    logits: Tensor
    extra_loss: Tensor
    nodes: list[int]


class Classifier(nn.Module):
    """Three graph convolutions (GCN, batch norm, ReLU), pooling after the first two, a readout and a linear layer.

    Args:
        in_channels: number of node features.
        channels: number of hidden features.
        classes: number of classes.
        make_pool: makes a pooling layer.
        readout: one of :data:`READOUTS`.
    """

    def __init__(
        self, in_channels: int, channels: int, classes: int, make_pool: Callable[[], nn.Module], readout: str = "sum"
    ) -> None:
        super().__init__()
        sizes = [in_channels, channels, channels]
        self.convs = nn.ModuleList([GCNConv(size, channels) for size in sizes])
        self.norms = nn.ModuleList([nn.BatchNorm1d(channels) for _ in sizes])
        self.pools = nn.ModuleList([make_pool() for _ in sizes[1:]])
        self.readout = READOUTS[readout]
        self.classify = nn.Linear(channels * (2 if readout == "mean and max" else 1), classes)

    def forward(self, data: Batch) -> Classified:
        """Classifies a batch of graphs."""
        coarse = Coarse(data.x, data.edge_index, None, data.batch, lambda rows: rows)
        extra = data.x.new_zeros(())
        nodes = [data.x.size(0)]
        for level, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = norm(conv(coarse.x, coarse.edge_index, coarse.edge_weight)).relu()
            if level == len(self.pools):
                break
            coarse = self.pools[level](x, coarse.edge_index, coarse.edge_weight, coarse.batch)
            extra = extra if coarse.loss is None else extra + coarse.loss
            nodes.append(coarse.x.size(0))
        return Classified(self.classify(self.readout(x, coarse.batch, data.num_graphs)), extra, nodes)
