"""PyG's ClusterPooling, literally and densely, where PyG's own code cannot go (no nodes, other float types)."""

import math

import numpy as np
import torch
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from graphpool import ComponentPool


def cluster_pooling(
    pool: ComponentPool, x: Tensor, edge_index: Tensor, scores: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Features, edges and labels from given edge scores; scores themselves are compared with PyG elsewhere."""
    num_nodes = x.size(0)
    proper = edge_index[0] != edge_index[1]
    source, target = edge_index[:, proper]
    score = scores[proper].double()
    threshold = {"tanh": 0.0, "sigmoid": 0.5, "log_softmax": -math.log(max(score.numel(), 1))}[pool.edge_score_method]
    chosen = score > threshold
    weights = torch.zeros(num_nodes, num_nodes, dtype=torch.double).index_put((source, target), score, accumulate=True)
    joined = np.zeros((num_nodes, num_nodes), dtype=bool)
    joined[source[chosen].numpy(), target[chosen].numpy()] = True
    label = torch.zeros(0, dtype=torch.long)
    if num_nodes:
        label = torch.from_numpy(connected_components(joined, directed=True, connection="weak")[1]).long()
    alone = torch.from_numpy(~(joined.any(0) | joined.any(1))).nonzero().view(-1)
    weights[alone, alone] = 1.0
    count = int(label.max()) + 1 if num_nodes else 0
    omega = (label.unsqueeze(1) == torch.arange(count)).double()
    adjacency = torch.zeros(num_nodes, num_nodes, dtype=torch.double)
    adjacency[source, target] = 1
    edges = (omega.T @ adjacency @ omega).fill_diagonal_(0).nonzero().T
    return (weights @ omega).T @ x.double(), edges, label
