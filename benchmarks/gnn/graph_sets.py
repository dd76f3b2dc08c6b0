"""Loads the graph sets that are classified, and divides them into folds."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import torch
from torch_geometric.data import Data
from torch_geometric.datasets import TUDataset
from torch_geometric.transforms import OneHotDegree
from torch_geometric.utils import degree

NAMES = ("MUTAG", "PROTEINS", "ENZYMES", "NCI1", "IMDB-BINARY")


class GraphSet(NamedTuple):
    """Graphs with node features ``x`` and one class ``y`` each."""

    name: str
    graphs: list[Data]
    num_features: int
    num_classes: int

    @property
    def labels(self) -> np.ndarray:
        """Returns the class of each graph."""
        return np.array([int(graph.y) for graph in self.graphs])

    @property
    def mean_nodes(self) -> float:
        """Returns the number of nodes of an average graph."""
        return float(np.mean([graph.num_nodes for graph in self.graphs]))

    def take(self, index: Sequence[int]) -> list[Data]:
        """Returns the graphs at these indices."""
        return [self.graphs[place] for place in index]


class Fold(NamedTuple):
    """Indices of training, validation and test graphs."""

    training: list[int]
    validation: list[int]
    test: list[int]


def load_graphs(name: str, root: Path) -> GraphSet:
    """Loads a TU data set from ``root/NAME/raw``, which may be read-only, or downloads it to ``root``.

    Graphs without node labels get their degrees as features.
    """
    raw = root / name / "raw"
    with tempfile.TemporaryDirectory() as scratch:  # PyG writes beside what it reads
        where = Path(scratch if raw.is_dir() else root)
        if raw.is_dir():
            (where / name).mkdir()
            (where / name / "raw").symlink_to(raw.resolve())
        try:
            found = TUDataset(str(where), name)
        except OSError as error:  # no network, or a root that cannot be written
            message = f"{name} is not in {root} and cannot be downloaded to there: {error}"
            raise click.ClickException(message) from error
    if found.num_node_features == 0:
        most = max(int(degree(graph.edge_index[0], graph.num_nodes).max()) for graph in found)
        found.transform = OneHotDegree(most)
    # only what the network sees, so that a batch is made of nothing else
    graphs = [Data(x=graph.x, edge_index=graph.edge_index, y=graph.y) for graph in found]
    return GraphSet(name, graphs, graphs[0].x.size(1), int(found.num_classes))


def folds(labels: np.ndarray, count: int, seed: int) -> Iterator[Fold]:
    """Returns stratified folds: each is the test set once, and the one after it is the validation set then."""
    generator = torch.Generator().manual_seed(seed)
    part = np.empty(len(labels), dtype=np.int64)
    dealt = 0
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        members = members[torch.randperm(len(members), generator=generator).numpy()]
        part[members] = (dealt + np.arange(len(members))) % count  # goes on where the class before ended
        dealt += len(members)
    for test in range(count):
        validation = (test + 1) % count
        rest = ~np.isin(part, [test, validation])
        yield Fold(*(np.flatnonzero(chosen).tolist() for chosen in (rest, part == validation, part == test)))
