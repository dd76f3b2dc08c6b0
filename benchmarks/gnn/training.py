"""Trains every network in the same way: the same budget, the same choice of the epoch that counts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch_geometric.data import Batch, Data

from benchmarks.gnn.classifier import Classifier
from benchmarks.gnn.graph_sets import Fold, GraphSet


@dataclass(frozen=True)
class Budget:
    """Settings of the training that every network gets.

    Attributes:
        epochs: number of epochs; the one of the best validation accuracy counts (of equal ones, of the lowest loss).
        batch_size: graphs per batch.
        lr: learning rate of Adam.
        channels: number of hidden features.
        readout: readout of the network.
    """

    epochs: int = 30
    batch_size: int = 64
    lr: float = 1e-3
    channels: int = 64
    readout: str = "sum"


class Scores(NamedTuple):
    """Accuracy, mean loss, and fraction of the nodes left after each pooling layer."""

    accuracy: float
    loss: float
    kept: list[float]


def batches_of(graphs: Sequence[Data], size: int, *, generator: torch.Generator | None = None) -> Iterator[Batch]:
    """Yields the graphs in batches, in random order if there is a generator."""
    order = list(range(len(graphs))) if generator is None else torch.randperm(len(graphs), generator=generator).tolist()
    for start in range(0, len(order), size):
        yield Batch.from_data_list([graphs[place] for place in order[start : start + size]])


def evaluate(network: Classifier, batches: Sequence[Batch]) -> Scores:
    """Returns the scores over all batches."""
    network.eval()
    right, loss, count = 0, 0.0, 0
    nodes: list[list[int]] = []
    with torch.no_grad():
        for batch in batches:
            found = network(batch)
            right += int((found.logits.argmax(1) == batch.y).sum())
            loss += float(F.cross_entropy(found.logits, batch.y, reduction="sum"))
            count += batch.num_graphs
            nodes.append(found.nodes)
    total = [sum(level) for level in zip(*nodes, strict=True)]
    return Scores(right / count, loss / count, [left / total[0] for left in total[1:]])


def learn(network: Classifier, optimizer: torch.optim.Optimizer, batches: Iterator[Batch]) -> None:
    """Trains for one epoch."""
    network.train()
    for batch in batches:
        if batch.num_graphs == 1:
            continue  # batch norm may have nothing to normalise by
        found = network(batch)
        loss = F.cross_entropy(found.logits, batch.y) + found.extra_loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def train_fold(
    graphs: GraphSet,
    fold: Fold,
    make: Callable[[], Classifier],
    budget: Budget,
    seed: int,
) -> Scores:
    """Trains a network, and scores it on the test graphs after the epoch that did best on the validation graphs.

    Args:
        graphs: the whole set.
        fold: indices of its training, validation and test graphs.
        make: makes the network.
        budget: settings of the training.
        seed: seed of the weights and of the order of the graphs.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = make()
    optimizer = torch.optim.Adam(network.parameters(), lr=budget.lr)
    training = graphs.take(fold.training)
    validation, test = (list(batches_of(graphs.take(part), 256)) for part in (fold.validation, fold.test))
    best: tuple[float, float] | None = None
    chosen: Scores | None = None
    for _ in range(budget.epochs):
        learn(network, optimizer, batches_of(training, budget.batch_size, generator=generator))
        seen = evaluate(network, validation)
        rank = (seen.accuracy, -seen.loss)
        if best is None or rank > best:
            best, chosen = rank, evaluate(network, test)
    assert chosen is not None  # at least one epoch
    return chosen
