"""A network that reconstructs node features through a pooling layer."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GCNConv

from benchmarks.gnn.training import batches_of


class Autoencoder(nn.Module):
    """Encodes nodes, pools, convolves the pooled graph, unpools, convolves, and decodes nodes.

    Encoder and decoder see one node at a time, and convolutions are residual, so that without pooling nothing need be
    lost: what is lost is lost by pooling. The second convolution lets dropped nodes learn from their neighbours.

    Args:
        in_channels: number of node features.
        channels: number of hidden features.
        make_pool: makes the pooling layer.
    """

    def __init__(self, in_channels: int, channels: int, make_pool: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.first = nn.Linear(in_channels, channels)
        self.convs = nn.ModuleList([GCNConv(channels, channels) for _ in range(2)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(channels) for _ in range(3)])
        self.pool = make_pool()
        self.last = nn.Linear(channels, in_channels)

    def forward(self, data: Batch) -> tuple[Tensor, Tensor, int]:
        """Returns reconstructed features, the loss of the pooling layer, and the number of nodes it left."""
        x = self.norms[0](self.first(data.x)).relu()
        coarse = self.pool(x, data.edge_index, None, data.batch)
        left = self._convolve(0, coarse.x, coarse.edge_index, coarse.edge_weight)
        x = self._convolve(1, coarse.lift(left), data.edge_index)
        extra = x.new_zeros(()) if coarse.loss is None else coarse.loss
        return self.last(x), extra, coarse.x.size(0)

    def _convolve(self, place: int, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        found: Tensor = x + self.norms[1 + place](self.convs[place](x, edge_index, edge_weight)).relu()
        return found


def reconstruct(
    network: Autoencoder,
    training: Sequence[Data],
    test: Sequence[Data],
    *,
    epochs: int,
    lr: float,
    seed: int,
    batch_size: int = 64,
) -> tuple[float, float]:
    """Trains by the mean squared error of the node features.

    Args:
        network: network to train.
        training: graphs to learn from.
        test: graphs to report.
        epochs: number of epochs.
        lr: learning rate of Adam.
        seed: seed of the order of the graphs.
        batch_size: graphs per batch.

    Returns:
        Mean squared error on the test graphs as a share of the variance of their features, and the fraction of their
        nodes that was left.
    """
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    for _ in range(epochs):
        network.train()
        for batch in batches_of(training, batch_size, generator=generator):
            found, extra, _ = network(batch)
            loss = F.mse_loss(found, batch.x) + extra
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return _score(network, list(batches_of(test, batch_size)))


@torch.no_grad()
def _score(network: Autoencoder, batches: Sequence[Batch]) -> tuple[float, float]:
    network.eval()
    x = torch.cat([batch.x for batch in batches])
    found = [network(batch) for batch in batches]
    error = F.mse_loss(torch.cat([features for features, *_ in found]), x)
    variance = x.var(dim=0, correction=0).mean()
    return float(error / variance), sum(left for *_, left in found) / x.size(0)
