"""Every pooling layer behind one call, with a way back: ``x, edge_index, edge_weight, batch -> Coarse``."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn
from torch_geometric.nn import ASAPooling, ClusterPooling, EdgePooling, SAGPooling, TopKPooling

from benchmarks.gnn.coarse import Coarse
from benchmarks.gnn.graclus import Graclus
from benchmarks.gnn.tgp_pools import clusters_of, tgp_pool
from graphpool import AgglomerativePool, ComponentPool, LinearEdgeScore
from graphpool.segment_reduce import take_rows


class Identity(nn.Module):
    """No pooling."""

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None, batch: Tensor) -> Coarse:
        """Nothing changes."""
        return Coarse(x, edge_index, edge_weight, batch, lambda rows: rows)


class Selecting(nn.Module):
    """A layer of PyG that keeps some of the nodes."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None, batch: Tensor) -> Coarse:
        """Pools; nodes that were dropped are lifted to zeros, as in Graph U-Nets."""
        pooled, coarse, weight, coarse_batch, kept, *_ = self.layer(x, edge_index, edge_weight, batch=batch)
        count = x.size(0)

        def lift(rows: Tensor) -> Tensor:
            return rows.new_zeros(count, rows.size(1)).index_copy(0, kept, rows)

        return Coarse(pooled, coarse, weight, coarse_batch, lift)


class Contracting(nn.Module):
    """A layer of PyG that merges nodes, and returns what it takes to undo that."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None, batch: Tensor) -> Coarse:
        """Pools."""
        pooled, coarse, coarse_batch, info = self.layer(x, edge_index, batch)
        return Coarse(pooled, coarse, None, coarse_batch, lambda rows: take_rows(rows, info.cluster))


class Merging(nn.Module):
    """A layer of graphpool."""

    layer: AgglomerativePool | ComponentPool

    def __init__(self, layer: AgglomerativePool | ComponentPool) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None, batch: Tensor) -> Coarse:
        """Pools."""
        pooled = self.layer(x, edge_index, batch=batch)
        return Coarse(pooled.x, pooled.edge_index, None, pooled.batch, pooled.lift)

    def score(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        """Of each edge, to be compared with the threshold."""
        score: Tensor | None = self.layer(x, edge_index, batch=batch).score
        assert score is not None  # both layers score every edge
        return score

    def set_threshold(self, threshold: float) -> None:
        """Contracts edges of a larger score from here on."""
        self.layer.threshold = threshold


class Asked(NamedTuple):
    """What a layer is made for.

    Attributes:
        channels: of the features.
        kept: fraction of the nodes, for layers that can be told.
        nodes: of an average graph.
        features: of what merged in AgglomerativePool: sums keep count, means keep the scale.
    """

    channels: int
    kept: float
    nodes: float
    features: str = "sum"


class Entry(NamedTuple):
    """A layer of the comparison.

    Attributes:
        make: makes it; raises ImportError where something is not installed.
        ratio: whether it keeps the fraction that it is told.
        threshold: whether it has a threshold, by which it can be made to keep a fraction.
    """

    make: Callable[[Asked], nn.Module]
    ratio: bool = False
    threshold: bool = False


# After a ReLU all cosines are positive; around the mean of a graph they are not. The threshold was chosen by the
# accuracy of `features only` on folds of seeds 100 to 102, from 0, 0.3, 0.5 and 0.7.
THRESHOLD = 0.5
CENTER = "graph"


def agglomerative(feature_weight: float) -> Entry:
    """The paper's score with a threshold."""

    def make(asked: Asked) -> nn.Module:
        return Merging(AgglomerativePool(THRESHOLD, feature_weight, features=asked.features, center=CENTER))

    return Entry(make, threshold=True)


def learned(asked: Asked) -> nn.Module:
    """AgglomerativePool with a score that is learned."""
    return Merging(AgglomerativePool(0.5, features=asked.features, score=LinearEdgeScore(asked.channels)))


def dense(name: str) -> Entry:
    """A layer of torch-geometric-pool that makes a fixed number of clusters."""
    return Entry(
        lambda asked: tgp_pool(name, asked.channels, clusters_of(asked.nodes, asked.kept)),
        ratio=True,
    )


POOLS: dict[str, Entry] = {
    "none": Entry(lambda asked: Identity()),
    "TopK": Entry(lambda asked: Selecting(TopKPooling(asked.channels, asked.kept)), ratio=True),
    "SAG": Entry(lambda asked: Selecting(SAGPooling(asked.channels, asked.kept)), ratio=True),
    "ASAP": Entry(lambda asked: Selecting(ASAPooling(asked.channels, asked.kept)), ratio=True),
    "EdgePooling": Entry(lambda asked: Contracting(EdgePooling(asked.channels))),
    "Graclus": Entry(lambda asked: Graclus()),
    "ClusterPooling": Entry(lambda asked: Contracting(ClusterPooling(asked.channels))),
    "ComponentPool": Entry(lambda asked: Merging(ComponentPool(asked.channels)), threshold=True),
    "AgglomerativePool": agglomerative(0.6),
    "AgglomerativePool, features only": agglomerative(1.0),
    "AgglomerativePool, learned score": Entry(learned, threshold=True),
    "k-MIS": Entry(lambda asked: tgp_pool("KMISPooling", asked.channels)),
    "MinCut": dense("MinCutPooling"),
    "DiffPool": dense("DiffPool"),
    "edge contraction": Entry(lambda asked: tgp_pool("EdgeContractionPooling", asked.channels)),
}
