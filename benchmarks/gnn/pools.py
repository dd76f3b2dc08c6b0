"""Makes every pooling layer one call with a way back: ``x, edge_index, edge_weight, batch -> Coarse``."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch_geometric.nn import ASAPooling, ClusterPooling, EdgePooling, SAGPooling, TopKPooling
from torch_geometric.nn.pool.consecutive import consecutive_cluster

from benchmarks.layers import graclus_cluster
from graphpool import AgglomerativePool, ComponentPool, LinearEdgeScore, contract_edges
from graphpool.segment_reduce import take_rows

# After a ReLU all cosines are positive; around the mean of a graph they are not. The threshold was chosen by the
# accuracy of `features only` on folds of seeds 100 to 102, from 0, 0.3, 0.5 and 0.7.
THRESHOLD = 0.5
CENTER = "graph"
_HALF = 0.5  # of the nodes, kept by layers that have to be told


class Coarse(NamedTuple):
    """A pooled batch of graphs.

    Attributes:
        x: features of the pooled nodes, ``[K, channels]``.
        edge_index: edges of the pooled nodes, ``[2, edges]``.
        edge_weight: weights of the edges, ``[edges]``, of layers that make some.
        batch: graph of each row of ``x``.
        lift: maps rows of the pooled nodes to rows of the original nodes; dropped nodes get zeros.
        loss: auxiliary loss of the layer.
    """

    x: Tensor
    edge_index: Tensor
    edge_weight: Tensor | None
    batch: Tensor
    lift: Callable[[Tensor], Tensor]
    loss: Tensor | None = None


class Graclus(nn.Module):
    """Merges pairs of neighbours by Graclus and keeps the larger of their features. Nothing in it is learned.

    Raises:
        ImportError: no library with Graclus is installed.
    """

    def __init__(self) -> None:
        super().__init__()
        graclus_cluster(torch.tensor([[0, 1], [1, 0]]), 2)  # or it is missed in the middle of a training

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None, batch: Tensor) -> Coarse:
        """Pools."""
        cluster, _ = consecutive_cluster(graclus_cluster(edge_index, x.size(0)))
        count = int(cluster.max()) + 1
        largest = x.new_full((count, x.size(1)), -torch.inf)
        largest = largest.scatter_reduce(0, cluster.unsqueeze(1).expand_as(x), x, "amax")
        coarse, _ = contract_edges(cluster, edge_index, num_clusters=count)
        coarse_batch = batch.new_zeros(count).index_copy_(0, cluster, batch)
        return Coarse(largest, coarse, None, coarse_batch, lambda rows: take_rows(rows, cluster))


def tgp_pool(name: str, channels: int, clusters: int | None = None) -> nn.Module:
    """Makes a layer of torch-geometric-pool by its class name; dense ones make ``clusters`` clusters of every graph.

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
    """Returns the number of clusters that keeps about a fraction of the nodes."""
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


class Identity(nn.Module):
    """No pooling."""

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None, batch: Tensor) -> Coarse:
        """Returns the graph as it is."""
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


class PoolSpec(NamedTuple):
    """What a layer is made for.

    Attributes:
        channels: number of features.
        kept: fraction of the nodes to keep; ``None`` for the layer's own threshold, or half of the nodes.
        nodes: number of nodes of an average graph.
        features: features of merged nodes in AgglomerativePool: sums keep count, means keep the scale.
    """

    channels: int
    kept: float | None
    nodes: float
    features: str = "sum"


class Entry(NamedTuple):
    """A layer of the comparison.

    Attributes:
        make: makes the layer; raises ImportError where something is not installed.
        ratio: whether the layer can be told the fraction to keep.
        own: whether it can also be left to keep what it keeps.
    """

    make: Callable[[PoolSpec], nn.Module]
    ratio: bool = False
    own: bool = True


def agglomerative(**options: Any) -> Entry:
    """Returns AgglomerativePool with the paper's score, by a threshold or the fraction to keep."""

    def make(spec: PoolSpec) -> nn.Module:
        level: dict[str, Any] = {"threshold": THRESHOLD} if spec.kept is None else {"ratio": spec.kept}
        return Merging(AgglomerativePool(**level, features=spec.features, center=CENTER, **options))

    return Entry(make, ratio=True)


def learned(**options: Any) -> Entry:
    """Returns AgglomerativePool with a learned score."""

    def make(spec: PoolSpec) -> nn.Module:
        level: dict[str, Any] = {"threshold": 0.5} if spec.kept is None else {"ratio": spec.kept}
        score = LinearEdgeScore(spec.channels)
        return Merging(AgglomerativePool(**level, features=spec.features, score=score, **options))

    return Entry(make, ratio=True)


def selecting(layer: Callable[[int, float], nn.Module]) -> Entry:
    """Returns a layer of PyG that keeps a fraction of the nodes."""
    return Entry(lambda spec: Selecting(layer(spec.channels, spec.kept or _HALF)), ratio=True, own=False)


def dense(name: str) -> Entry:
    """Returns a layer of torch-geometric-pool that makes a fixed number of clusters."""
    return Entry(
        lambda spec: tgp_pool(name, spec.channels, clusters_of(spec.nodes, spec.kept or _HALF)),
        ratio=True,
        own=False,
    )


POOLS: dict[str, Entry] = {
    "none": Entry(lambda spec: Identity()),
    "TopK": selecting(TopKPooling),
    "SAG": selecting(SAGPooling),
    "ASAP": selecting(ASAPooling),
    "EdgePooling": Entry(lambda spec: Contracting(EdgePooling(spec.channels))),
    "Graclus": Entry(lambda spec: Graclus()),
    "ClusterPooling": Entry(lambda spec: Contracting(ClusterPooling(spec.channels))),
    "ComponentPool": Entry(lambda spec: Merging(ComponentPool(spec.channels, ratio=spec.kept)), ratio=True),
    "AgglomerativePool": agglomerative(),
    "AgglomerativePool, features only": agglomerative(feature_weight=1.0),
    "AgglomerativePool, mutual": agglomerative(feature_weight=1.0, group="mutual"),
    "AgglomerativePool, max_area": agglomerative(feature_weight=1.0, max_area=0.25),
    "AgglomerativePool, learned score": learned(),
    "AgglomerativePool, learned score, mutual": learned(group="mutual"),
    "k-MIS": Entry(lambda spec: tgp_pool("KMISPooling", spec.channels)),
    "MinCut": dense("MinCutPooling"),
    "DiffPool": dense("DiffPool"),
    "edge contraction": Entry(lambda spec: tgp_pool("EdgeContractionPooling", spec.channels)),
}
