"""Graclus with max pooling, as a layer."""

import torch
from torch import Tensor, nn
from torch_geometric.nn.pool.consecutive import consecutive_cluster

from benchmarks.gnn.coarse import Coarse
from benchmarks.layers import graclus_cluster
from graphpool import contract_edges
from graphpool.segment_reduce import take_rows


class Graclus(nn.Module):
    """Pairs of neighbours become one, with the larger of their features. Nothing in it is learned.

    Raises:
        ImportError: what Graclus takes is not installed.
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
