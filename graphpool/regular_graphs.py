"""Edges of regular graphs: grids and complete graphs."""

import torch
from jaxtyping import Int
from torch import Tensor

from graphpool.batch_layout import Layout
from graphpool.checks import check_choice, check_count, check_tensor


def grid_graph(
    height: int,
    width: int,
    batch_size: int = 1,
    connectivity: int = 4,
    *,
    device: torch.device | str | None = None,
) -> Int[Tensor, "2 edges"]:
    """Connects the neighbours in ``batch_size`` grids of ``height`` x ``width`` nodes: the graph of a ViT's tokens.

    Nodes are numbered row by row, one grid after the other. Both directions of every edge, sorted by source and
    target, as PyG keeps undirected graphs.

    Args:
        height: rows of the grid.
        width: columns of the grid.
        batch_size: number of grids.
        connectivity: 4 (left, right, up, down) or 8 (diagonals too).
        device: device of the result.

    Returns:
        Edges ``[2, num_edges]``, int64.

    Raises:
        TypeError: a size is not an int.
        ValueError: a negative size, or a connectivity other than 4 and 8.

    Example:
        >>> grid_graph(2, 2).tolist()
        [[0, 0, 1, 1, 2, 2, 3, 3], [1, 2, 0, 3, 0, 3, 1, 2]]
    """
    for name, value in (("height", height), ("width", width), ("batch_size", batch_size)):
        check_count(name, value, 0)
    check_choice("connectivity", connectivity, (4, 8))
    steps = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
    steps = [(down, right) for down, right in steps if connectivity == 8 or not (down and right)]
    offset = torch.tensor(steps, device=device).view(1, 1, 1, len(steps), 2)
    row = torch.arange(height, device=device).view(1, height, 1, 1)
    column = torch.arange(width, device=device).view(1, 1, width, 1)
    node = torch.arange(batch_size * height * width, device=device).view(batch_size, height, width, 1)
    down, right = offset.unbind(-1)
    inside = (row + down >= 0) & (row + down < height) & (column + right >= 0) & (column + right < width)
    inside = inside.expand(batch_size, -1, -1, -1)
    source = node.expand_as(inside)[inside]
    target = (node + down * width + right).expand_as(inside)[inside]
    return torch.stack([source, target])


def complete_graph(batch: Int[Tensor, " nodes"]) -> Int[Tensor, "2 edges"]:
    """Connects all pairs of nodes of the same graph: both directions, no self-loops, sorted by source and target.

    Args:
        batch: graph of each node, sorted, ``[num_nodes]``, int32 or int64.

    Returns:
        Edges ``[2, sum of n (n - 1)]``, int64.

    Raises:
        TypeError: ``batch`` is not an integer tensor.
        ValueError: ``batch`` is unsorted or not one-dimensional.

    Host syncs: two.

    Example:
        >>> complete_graph(torch.tensor([0, 0, 1])).tolist()
        [[0, 1], [1, 0]]
    """
    check_tensor("batch", batch, dims=1, kind="integer")
    if bool((batch[1:] < batch[:-1]).any()):
        raise ValueError("'batch' must be sorted (nodes of one graph stand together), got an unsorted batch vector")
    layout = Layout.of(batch.long(), int(batch[-1]) + 1 if batch.numel() else 0)
    size = layout.size_of_node()
    source = torch.repeat_interleave(torch.arange(batch.numel(), device=batch.device), size)
    row_start = torch.repeat_interleave(size.cumsum(0) - size, size)
    place = torch.arange(source.numel(), device=batch.device) - row_start
    target = layout.ptr.index_select(0, layout.batch.index_select(0, source)) + place
    different = source != target
    return torch.stack([source[different], target[different]])


def pairs_of_graphs(layout: Layout) -> Int[Tensor, "2 pairs"]:
    """Lists all pairs of nodes of the same graph, smaller node first, each once, sorted."""
    place = torch.arange(layout.largest, device=layout.batch.device)
    second_node = place.unsqueeze(0) > place.unsqueeze(1)
    present = layout.padded_mask
    graph, first, second = (second_node & present.unsqueeze(1) & present.unsqueeze(2)).nonzero().unbind(1)
    start = layout.ptr.index_select(0, graph)
    return torch.stack([start + first, start + second])
