"""Graph classification on PROTEINS with AgglomerativePool: is a protein an enzyme?

Downloads the data set on the first run (or takes it from --root).
"""

import click
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.datasets import TUDataset
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GCNConv, global_add_pool

from graphpool import AgglomerativePool


class Net(nn.Module):
    """Three convolutions with a pooling layer after each of the first two."""

    def __init__(self, in_channels: int, hidden_channels: int, num_classes: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [GCNConv(channels, hidden_channels) for channels in (in_channels, hidden_channels, hidden_channels)]
        )
        # merge neighbours that look alike beside the rest of their graph; "sum" keeps count of what merged
        self.pools = nn.ModuleList(
            [AgglomerativePool(0.5, feature_weight=1, features="sum", center="graph") for _ in range(2)]
        )
        self.norms = nn.ModuleList([nn.BatchNorm1d(hidden_channels) for _ in range(3)])
        self.classify = nn.Linear(hidden_channels, num_classes)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        edge_attr = None
        for layer, conv in enumerate(self.convs):
            x = self.norms[layer](conv(x, edge_index)).relu()
            if layer < len(self.pools):
                x, edge_index, edge_attr, batch, *_ = self.pools[layer](x, edge_index, edge_attr, batch)
        return self.classify(global_add_pool(x, batch))


def run_epoch(model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer | None = None) -> float:
    """Accuracy over one pass; learns if there is an optimizer."""
    model.train(optimizer is not None)
    correct = total = 0
    for data in loader:
        with torch.set_grad_enabled(optimizer is not None):
            logits = model(data.x, data.edge_index, data.batch)
            loss = F.cross_entropy(logits, data.y)
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        correct += int((logits.argmax(1) == data.y).sum())
        total += data.num_graphs
    return correct / total


def train(graphs: list[Data], in_channels: int, num_classes: int, epochs: int) -> list[tuple[float, float]]:
    """Accuracy on the training and the held-out graphs (the last tenth) after each epoch."""
    held_out = len(graphs) // 10
    model = Net(in_channels, 64, num_classes)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    training = DataLoader(graphs[:-held_out], batch_size=64, shuffle=True)
    testing = DataLoader(graphs[-held_out:], batch_size=128)
    return [(run_epoch(model, training, optimizer), run_epoch(model, testing)) for _ in range(epochs)]


@click.command(help=__doc__)
@click.option("--root", default="data/tu", show_default=True, help="Folder with (or for) the TU data sets.")
@click.option("--epochs", default=30, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(root: str, epochs: int, seed: int) -> None:
    torch.manual_seed(seed)
    dataset = TUDataset(root, "PROTEINS").shuffle()
    history = train(list(dataset), dataset.num_features, dataset.num_classes, epochs)
    for epoch, (training, testing) in enumerate(history, start=1):
        click.echo(f"epoch {epoch:3d}  training {training:.3f}  held out {testing:.3f}")


if __name__ == "__main__":
    main()
