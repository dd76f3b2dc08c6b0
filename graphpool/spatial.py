"""Eq. 3 on edges of a batch, from the state of its hierarchy."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from graphpool.affinity import affinity_rows, check_fits
from graphpool.layout import Layout
from graphpool.precision import full_precision
from graphpool.products import block_product
from graphpool.similarity import distance_on_edges
from graphpool.state import AffinityState


def spatial_similarity(state: AffinityState, pairs: Tensor) -> Tensor:
    """Similarity of the affinity rows at both ends of each pair of supernodes, ``[num_pairs]``; pairs sorted by graph.

    On CPU the rows of one graph at a time are made, compared and forgotten: they stay in the cache, and memory is that
    of the largest graph. On CUDA all rows are made at once.
    """
    if state.sums.is_cpu:
        return _graph_by_graph(state, pairs)
    return 1 - distance_on_edges(state.mean_rows(), pairs) / state.columns_of.index_select(0, pairs[0])


def _graph_by_graph(state: AffinityState, pairs: Tensor) -> Tensor:
    layout, columns = state.layout, state.columns
    check_fits(layout.largest, columns)
    borders = torch.searchsorted(pairs[0].contiguous(), layout.ptr).tolist()
    out = state.sums.new_empty(pairs.size(1))
    # fresh pages cost more than the product of small graphs
    buffer = state.sums.new_empty(layout.largest * columns.layout.largest)
    first_node = 0
    with full_precision(out.device):
        for graph, (sums, tokens) in enumerate(
            zip(layout.split(state.mean), columns.layout.split(columns.tokens), strict=True)
        ):
            part = slice(borders[graph], borders[graph + 1])
            if part.start < part.stop:
                rows = buffer[: sums.size(0) * tokens.size(0)].view(sums.size(0), tokens.size(0))
                block_product(sums, tokens, rows, symmetric=state.merged_nothing and columns.index is None)
                out[part] = 1 - distance_on_edges(rows, pairs[:, part] - first_node) / tokens.size(0)
            first_node += sums.size(0)
    return out


def distance_by_differences(state: AffinityState, pairs: Tensor) -> Tensor:
    """:math:`1 - S^s` of few pairs in any order, ``[num_pairs]``: a row of differences each, not two of affinity."""
    graph = state.layout.batch.index_select(0, pairs[0])
    order = graph.argsort(stable=True)
    first, second = pairs.index_select(1, order)
    difference = state.mean.index_select(0, first) - state.mean.index_select(0, second)
    layout = Layout.of(graph.index_select(0, order), state.layout.num_graphs)
    check_fits(layout.num_nodes, state.columns)
    distance = affinity_rows(difference, layout, state.columns).abs_().sum(1) / state.columns_of.index_select(0, first)
    return torch.empty_like(distance).index_copy_(0, order, distance)


def distances_among(state: AffinityState, edges: Tensor) -> tuple[Callable[[Tensor], Tensor], bool]:
    """What gives :math:`1 - S^s` of some of the edges: from affinity rows if they are fewer, else by differences.

    The second says whether rows were made, so that what is left to do for an edge is little.
    """
    num_nodes = state.layout.num_nodes
    touched = torch.zeros(num_nodes, dtype=torch.bool, device=edges.device).index_fill_(0, edges.flatten(), True)
    index = touched.nonzero().view(-1)
    if edges.size(1) <= index.numel():
        return partial(distance_by_differences, state), False
    if 2 * index.numel() > num_nodes:  # the whole symmetric product costs about half
        rows, place = state.mean_rows(), torch.arange(num_nodes, device=edges.device)
    else:
        rows, place = state.take(index).mean_rows(), touched.cumsum(0).sub_(1)
    return partial(_distance_by_rows, state, rows, place), True


def _distance_by_rows(state: AffinityState, rows: Tensor, place: Tensor, pairs: Tensor) -> Tensor:
    """``place`` is the row of each supernode, ``[K]``."""
    return distance_on_edges(rows, place[pairs]) / state.columns_of.index_select(0, pairs[0])
