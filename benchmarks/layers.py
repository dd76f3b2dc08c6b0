"""The pooling layers that are compared, each as one call: ``x, edge_index, batch -> pooled x``."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch
from torch_geometric.nn import ASAPooling, ClusterPooling, EdgePooling, SAGPooling, TopKPooling, graclus, max_pool

from graphpool import AgglomerativePool, ComponentPool

Pool = Callable[[Tensor, Tensor, Tensor], Tensor]

# On smooth features, the thresholds at which about half of the nodes are left, as with TopK and SAG
FEATURE_THRESHOLD = 0.7
AFFINITY_THRESHOLD = 0.8
ANCHORS = 64


def by_keyword(layer: torch.nn.Module) -> Pool:
    """Wraps a layer that takes ``(x, edge_index, edge_attr, batch)``, as most do."""

    def pool(x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        pooled: Tensor = layer(x, edge_index, batch=batch)[0]
        return pooled

    return pool


def by_place(layer: torch.nn.Module) -> Pool:
    """Wraps a layer that takes ``(x, edge_index, batch)``."""

    def pool(x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
        pooled: Tensor = layer(x, edge_index, batch)[0]
        return pooled

    return pool


def graclus_cluster(edge_index: Tensor, num_nodes: int) -> Tensor:
    """Matches pairs of neighbours by Graclus of pyg-lib, or of torch-cluster, which PyG 2.8 no longer looks for.

    Raises:
        ImportError: neither is installed.
    """
    try:
        cluster: Tensor = graclus(edge_index, num_nodes=num_nodes)
    except ImportError:
        try:
            from torch_cluster import graclus_cluster as by_torch_cluster
        except ImportError as error:
            raise ImportError("needs pyg-lib >= 0.6 or torch-cluster") from error
        cluster = by_torch_cluster(edge_index[0], edge_index[1], num_nodes=num_nodes)
    return cluster


def graclus_pool(x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
    """Pools by Graclus matching and the maximum of each pair."""
    cluster = graclus_cluster(edge_index, x.size(0))
    pooled: Any = max_pool(cluster, Batch(x=x, edge_index=edge_index, batch=batch))
    result: Tensor = pooled.x
    return result


#: Name of each layer, and how to make it for a number of channels.
LAYERS: dict[str, Callable[[int], Pool]] = {
    "TopKPooling": lambda channels: by_keyword(TopKPooling(channels)),
    "SAGPooling": lambda channels: by_keyword(SAGPooling(channels)),
    "ASAPooling": lambda channels: by_keyword(ASAPooling(channels)),
    "EdgePooling": lambda channels: by_place(EdgePooling(channels)),
    "ClusterPooling": lambda channels: by_place(ClusterPooling(channels)),
    "Graclus": lambda channels: graclus_pool,
    "ComponentPool": lambda channels: by_keyword(ComponentPool(channels)),
    "AgglomerativePool, features only": lambda channels: by_keyword(
        AgglomerativePool(FEATURE_THRESHOLD, feature_weight=1, features="sum")
    ),
    "AgglomerativePool, affinity": lambda channels: by_keyword(AgglomerativePool(AFFINITY_THRESHOLD, features="sum")),
    "AgglomerativePool, affinity and vote": lambda channels: by_keyword(AgglomerativePool(AFFINITY_THRESHOLD)),
    f"AgglomerativePool, {ANCHORS} anchors": lambda channels: by_keyword(
        AgglomerativePool(AFFINITY_THRESHOLD, anchors=ANCHORS)
    ),
}

OURS = tuple(name for name in LAYERS if name.startswith(("ComponentPool", "AgglomerativePool")))
