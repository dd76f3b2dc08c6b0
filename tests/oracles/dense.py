"""Small oracles: SciPy's components, assignment and coarse adjacency as matrices, tolerances."""

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-9, torch.bfloat16: 2e-2}


def close(found: Tensor, expected: Tensor, dtype: torch.dtype | None = None) -> None:
    tolerance = TOLERANCE[dtype or found.dtype]
    torch.testing.assert_close(found.double(), expected.double(), rtol=tolerance, atol=tolerance)


def scipy_labels(edge_index: Tensor, num_nodes: int) -> Tensor:
    source, target = edge_index.numpy()
    matrix = coo_matrix((np.ones(source.size), (source, target)), shape=(num_nodes, num_nodes))
    return torch.from_numpy(connected_components(matrix, directed=False)[1]).long()


def indicator(cluster: Tensor, count: int) -> Tensor:
    """Omega, [nodes, clusters]."""
    return (cluster.unsqueeze(1) == torch.arange(count)).long()


def dense_coarse(edge_index: Tensor, cluster: Tensor, count: int) -> Tensor:
    """Omega^T E Omega without its diagonal, as sorted edges."""
    matrix = torch.zeros(count, count)
    matrix[cluster[edge_index[0].long()], cluster[edge_index[1].long()]] = 1
    return matrix.fill_diagonal_(0).nonzero().T
