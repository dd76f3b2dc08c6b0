"""The paper's Algorithm 1 to the letter, dense: masks M, affinity A, adjacency E as matrices; one graph.

Two readings differ from the print, as `docs/design.md` says: the coarse adjacency is Omega^T E Omega, and each layer
emits what it made rather than what it was given.
"""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse.csgraph import connected_components
from torch import Tensor


class DenseGraph(NamedTuple):
    features: Tensor  # V, [s, d]
    masks: Tensor  # M, [s, N]
    adjacency: Tensor  # E, [s, s]


def normalized(x: Tensor) -> Tensor:
    return x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)


def mean_rows(graph: DenseGraph, affinity: Tensor) -> Tensor:
    return (graph.masks @ affinity) / graph.masks.sum(1, keepdim=True)


def scores(graph: DenseGraph, affinity: Tensor, source: Tensor, target: Tensor, feature_weight: float) -> Tensor:
    """Eqs. 2, 3 and 4 on the given edges."""
    feature = (graph.features[source] * graph.features[target]).sum(1)
    rows = mean_rows(graph, affinity)
    spatial = 1 - (rows[source] - rows[target]).abs().sum(1) / affinity.size(1)
    return feature_weight * feature + (1 - feature_weight) * spatial


def assignment(source: Tensor, target: Tensor, chosen: Tensor, num_nodes: int) -> Tensor:
    """Omega from the strongly connected components of the chosen edges in both directions, [s, s']."""
    matrix = np.zeros((num_nodes, num_nodes), dtype=bool)
    first, second = source[chosen].numpy(), target[chosen].numpy()
    matrix[first, second] = matrix[second, first] = True
    count, label = connected_components(matrix, directed=True, connection="strong")
    order = np.full(count, num_nodes)
    np.minimum.at(order, label, np.arange(num_nodes))  # name components by their first node
    rank = np.empty(count, dtype=np.int64)
    rank[order.argsort()] = np.arange(count)
    return F.one_hot(torch.from_numpy(rank[label]).long(), count)


def merge(
    graph: DenseGraph, omega: Tensor, affinity: Tensor, tokens: Tensor, temperature: float, logits: str
) -> DenseGraph:
    """Eqs. 5 and 6."""
    omega = omega.to(tokens.dtype)
    masks = omega.T @ graph.masks
    adjacency = omega.T @ graph.adjacency @ omega
    adjacency.fill_diagonal_(0)
    weight = masks @ affinity
    if logits == "mean":
        weight = weight / masks.sum(1, keepdim=True)
    features = normalized(torch.softmax(weight / temperature, dim=1) @ tokens)
    return DenseGraph(features, masks, (adjacency > 0).to(tokens.dtype))


def layer(
    graph: DenseGraph,
    affinity: Tensor,
    tokens: Tensor,
    threshold: float,
    *,
    feature_weight: float = 0.6,
    temperature: float = 0.07,
    logits: str = "sum",
    repeat: bool = False,
    inclusive: bool = False,
) -> DenseGraph:
    """Identify and merge once; with ``repeat`` as often as there are edges that the threshold contracts."""
    while True:
        source, target = graph.adjacency.triu(1).nonzero().T
        chosen = contracted(graph, affinity, threshold, feature_weight, inclusive)
        omega = assignment(source, target, chosen, graph.features.size(0))
        graph = merge(graph, omega, affinity, tokens, temperature, logits)
        if not repeat or not contracted(graph, affinity, threshold, feature_weight, inclusive).any():
            return graph


def contracted(graph: DenseGraph, affinity: Tensor, threshold: float, feature_weight: float, inclusive: bool) -> Tensor:
    """Which edges, in the order of the adjacency's upper triangle, the threshold contracts."""
    source, target = graph.adjacency.triu(1).nonzero().T
    score = scores(graph, affinity, source, target, feature_weight)
    return score >= threshold if inclusive else score > threshold


def start(x: Tensor, edge_index: Tensor) -> tuple[DenseGraph, Tensor]:
    tokens = normalized(x)
    num_tokens = x.size(0)
    adjacency = torch.zeros(num_tokens, num_tokens, dtype=x.dtype)
    adjacency[edge_index[0], edge_index[1]] = 1
    adjacency = (adjacency + adjacency.T).clamp(max=1).fill_diagonal_(0)
    return DenseGraph(tokens, torch.eye(num_tokens, dtype=x.dtype), adjacency), tokens @ tokens.T


def algorithm1(
    x: Tensor,
    edge_index: Tensor,
    thresholds: tuple[float, ...],
    *,
    feature_weight: float = 0.6,
    temperature: float = 0.07,
    logits: str = "sum",
    semantic: bool = True,
    repeat: bool = False,
    inclusive: bool = False,
) -> list[tuple[DenseGraph, DenseGraph | None]]:
    """Instance and semantic graphs of every layer."""
    graph, affinity = start(x, edge_index)
    tokens = graph.features
    options = {"feature_weight": feature_weight, "temperature": temperature, "logits": logits}
    options |= {"repeat": repeat, "inclusive": inclusive}
    levels: list[tuple[DenseGraph, DenseGraph | None]] = []
    for threshold in thresholds:
        graph = layer(graph, affinity, tokens, threshold, **options)  # type: ignore[arg-type]
        merged = None
        if semantic:
            complete = torch.ones_like(graph.adjacency).fill_diagonal_(0)
            merged = layer(graph._replace(adjacency=complete), affinity, tokens, threshold, **options)  # type: ignore[arg-type]
        levels.append((graph, merged))
    return levels
