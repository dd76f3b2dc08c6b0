"""Makes random graphs and features to measure on. The same generator state gives the same input."""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array, diags_array, eye_array
from torch import Tensor

from graphpool import grid_graph


def half_grids(height: int, width: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """Returns grids of 4 neighbours with a random half of their edges, each edge once."""
    edges = grid_graph(height, width, batch_size)
    edges = edges[:, edges[0] < edges[1]]
    return edges[:, torch.rand(edges.size(1), generator=generator) < 0.5]


def path(num_nodes: int, generator: torch.Generator | None = None) -> Tensor:
    """Returns a path, its nodes numbered in order, or at random if there is a generator."""
    nodes = torch.arange(num_nodes) if generator is None else torch.randperm(num_nodes, generator=generator)
    return torch.stack([nodes[:-1], nodes[1:]])


def random_edges(num_nodes: int, num_edges: int, generator: torch.Generator) -> Tensor:
    """Returns edges between nodes chosen at random, with repetition."""
    return torch.randint(num_nodes, (2, num_edges), generator=generator)


def smooth_features(
    edge_index: Tensor, num_nodes: int, channels: int, generator: torch.Generator, steps: int = 2
) -> Tensor:
    """Returns noise averaged ``steps`` times over each node and its neighbours, as by as many graph convolutions."""
    source, target = edge_index.numpy()
    ones = np.ones(source.size, dtype=np.float32)
    around = csr_array((ones, (source, target)), shape=(num_nodes, num_nodes)) + eye_array(num_nodes, dtype=np.float32)
    mean = diags_array(1 / around.sum(axis=1).astype(np.float32)) @ around
    x = torch.randn(num_nodes, channels, generator=generator).numpy()
    for _ in range(steps):
        x = mean @ x
    return torch.from_numpy(np.asarray(x, dtype=np.float32))


def region_features(height: int, width: int, channels: int, generator: torch.Generator, regions: int = 40) -> Tensor:
    """Returns unit tokens of a picture of flat regions.

    Regions are the Voronoi cells of random centres, each with a random unit prototype; every token gets noise of norm
    0.6 before it is normalised.
    """
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    cells = torch.stack([row, column], dim=-1).view(-1, 2).float()
    centres = torch.rand(regions, 2, generator=generator) * torch.tensor([height, width])
    prototypes = F.normalize(torch.randn(regions, channels, generator=generator), dim=1)
    noise = F.normalize(torch.randn(height * width, channels, generator=generator), dim=1)
    return F.normalize(prototypes[torch.cdist(cells, centres).argmin(1)] + 0.6 * noise, dim=1)


def random_features(num_nodes: int, channels: int, generator: torch.Generator) -> Tensor:
    """Returns unit tokens in random directions: nothing merges, so every layer has to look at all tokens."""
    return F.normalize(torch.randn(num_nodes, channels, generator=generator), dim=1)
