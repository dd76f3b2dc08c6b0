"""How alike two nodes are: Eq. 2 by their features, Eq. 3 by their affinity to all tokens."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from graphpool.affinity import affinity_rows, check_fits
from graphpool.affinity_state import AffinityState
from graphpool.batch_layout import Layout, block_product
from graphpool.checks import check_edge_index, check_same_device, check_tensor
from graphpool.precision import full_precision, widen
from graphpool.segment_reduce import take_rows

# Rows are compared a few at a time, so that what is gathered stays in the cache (and, on CUDA, in bounds).
_CHUNK_BYTES = {"cpu": 2**21, "cuda": 2**28}


def feature_similarity(
    x: Float[Tensor, "nodes channels"], edge_index: Int[Tensor, "2 edges"]
) -> Float[Tensor, " edges"]:
    r"""Computes the cosine of the features at both ends of each edge: the paper's Eq. 2,
    :math:`S^f_{ij} = V_i V_j^\top` with rows :math:`V` of unit length.

    Rows are normalised here; a zero row has similarity 0 to everything. Differentiable in ``x``.

    Args:
        x: node features, ``[num_nodes, channels]``, floating point.
        edge_index: edges, ``[2, num_edges]``, int32 or int64.

    Returns:
        Similarities in [-1, 1], ``[num_edges]``, in the dtype of ``x`` (computed in fp32 or better).

    Raises:
        TypeError: an argument has the wrong type or dtype.
        ValueError: a wrong shape, or an index out of range.

    Example:
        >>> x = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 3.0]])
        >>> feature_similarity(x, torch.tensor([[0, 0], [1, 2]])).tolist()
        [1.0, 0.0]
    """
    check_tensor("x", x, dims=2)
    edge_index = check_edge_index(edge_index, x.size(0))
    check_same_device(x=x, edge_index=edge_index)
    return dot_on_edges(F.normalize(widen(x), dim=1), edge_index).to(x.dtype)


def affinity_similarity(
    rows: Float[Tensor, "nodes tokens"],
    edge_index: Int[Tensor, "2 edges"],
    num_tokens: Int[Tensor, " nodes"] | None = None,
) -> Float[Tensor, " edges"]:
    r"""Computes one minus the mean absolute difference of the affinity rows at both ends of each edge: the paper's
    Eq. 3, :math:`S^s_{ij} = 1 - \frac{1}{n} \lVert r_i - r_j \rVert_1`. Differentiable in ``rows``.

    Args:
        rows: affinity row of each node (the mean of its tokens' rows of :math:`A = F F^\top`),
            ``[num_nodes, num_tokens]``, floating point.
        edge_index: edges, ``[2, num_edges]``, int32 or int64.
        num_tokens: number of columns that count for each node, in a batch of graphs of different sizes,
            ``[num_nodes]``, int32 or int64; the columns beyond must be zero.

    Returns:
        Similarities in [-1, 1], ``[num_edges]``, in the dtype of ``rows`` (computed in fp32 or better).

    Raises:
        TypeError: an argument has the wrong type or dtype.
        ValueError: a wrong shape, or an index out of range.

    Example:
        >>> rows = torch.tensor([[1.0, 0.5], [0.5, 1.0]])
        >>> affinity_similarity(rows, torch.tensor([[0], [1]])).tolist()
        [0.5]
    """
    check_tensor("rows", rows, dims=2)
    edge_index = check_edge_index(edge_index, rows.size(0))
    check_same_device(rows=rows, edge_index=edge_index, num_tokens=num_tokens)
    columns: Tensor | int = rows.size(1)
    if num_tokens is not None:
        check_tensor("num_tokens", num_tokens, dims=1, kind="integer", rows=(rows.size(0), "nodes"))
        columns = num_tokens.index_select(0, edge_index[0])
    return (1 - distance_on_edges(widen(rows), edge_index) / columns).to(rows.dtype)


def affinity_similarity_pairs(rows: Float[Tensor, "nodes tokens"]) -> Float[Tensor, " pairs"]:
    """Computes Eq. 3 of the paper for all pairs of nodes of one graph, in the order of
    :func:`torch.nn.functional.pdist`: (0, 1), (0, 2) ... (1, 2) ... Differentiable in ``rows``.

    Args:
        rows: affinity row of each node, ``[num_nodes, num_tokens]``, floating point.

    Returns:
        Similarities in [-1, 1], ``[num_nodes * (num_nodes - 1) / 2]``, in the dtype of ``rows``.

    Raises:
        TypeError: ``rows`` is not a floating point tensor.
        ValueError: ``rows`` is not two-dimensional.

    Example:
        >>> affinity_similarity_pairs(torch.tensor([[1.0, 0.5], [0.5, 1.0], [1.0, 0.5]])).tolist()
        [0.5, 1.0, 0.5]
    """
    check_tensor("rows", rows, dims=2)
    return (1 - F.pdist(widen(rows).contiguous(), p=1) / rows.size(1)).to(rows.dtype)


def dot_on_edges(x: Tensor, edge_index: Tensor, other: Tensor | None = None) -> Tensor:
    """Computes the inner product of the rows at both ends of each edge; ``other`` replaces ``x`` at the second end."""
    return _sum_on_edges(torch.mul, x, x if other is None else other, edge_index)


def distance_on_edges(x: Tensor, edge_index: Tensor) -> Tensor:
    """Computes the L1 distance of the rows at both ends of each edge."""
    return _sum_on_edges(_absolute_difference, x, x, edge_index)


def _absolute_difference(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.sub(left, right, out=out).abs_()


def _sum_on_edges(compare: Callable[..., Tensor], x: Tensor, other: Tensor, edge_index: Tensor) -> Tensor:
    """Sums ``compare(left, right, out=...)`` of ``x`` and ``other`` at both ends of each edge over the channels."""
    source, target = edge_index
    if torch.compiler.is_compiling() or (torch.is_grad_enabled() and (x.requires_grad or other.requires_grad)):
        return compare(take_rows(x, source), take_rows(other, target)).sum(1)
    num_edges = source.numel()
    step = max(1, _CHUNK_BYTES.get(x.device.type, 2**28) // max(1, x.size(1) * x.element_size()))
    out = x.new_empty(num_edges)
    left, right = x.new_empty(2, min(step, num_edges), x.size(1))  # once: fresh pages cost more than the arithmetic
    for start in range(0, num_edges, step):
        chunk = slice(start, min(start + step, num_edges))
        first, second = left[: chunk.stop - start], right[: chunk.stop - start]
        torch.index_select(x, 0, source[chunk], out=first)
        torch.index_select(other, 0, target[chunk], out=second)
        torch.sum(compare(first, second, out=first), 1, out=out[chunk])
    return out


def pair_scores(x: Tensor, state: AffinityState, pairs: Tensor, feature_weight: float) -> Tensor:
    """Computes Eq. 4 of pairs of supernodes with unit features ``x``, ``[num_pairs]``; pairs are sorted by graph."""
    feature = dot_on_edges(x, pairs)
    if feature_weight == 1:
        return feature
    return feature_weight * feature + (1 - feature_weight) * spatial_similarity(state, pairs)


def spatial_similarity(state: AffinityState, pairs: Tensor) -> Tensor:
    """Computes Eq. 3 of pairs of supernodes, ``[num_pairs]``; the pairs are sorted by graph.

    On CPU the affinity rows of one graph at a time are computed, compared and forgotten: they stay in the cache, and
    memory is that of the largest graph. On CUDA all rows are computed at once.
    """
    if state.sums.is_cpu:
        return _spatial_similarity_by_graph(state, pairs)
    return 1 - distance_on_edges(state.mean_rows(), pairs) / state.num_columns.index_select(0, pairs[0])


def _spatial_similarity_by_graph(state: AffinityState, pairs: Tensor) -> Tensor:
    layout, columns = state.layout, state.columns
    check_fits(layout.largest, columns)
    borders = torch.searchsorted(pairs[0].contiguous(), layout.ptr).tolist()
    out = state.sums.new_empty(pairs.size(1))
    # fresh pages cost more than the product of small graphs
    buffer = state.sums.new_empty(layout.largest * columns.layout.largest)
    first_node = 0
    with full_precision(out.device):
        for graph, (means, tokens) in enumerate(
            zip(layout.split(state.mean), columns.layout.split(columns.tokens), strict=True)
        ):
            inside = slice(borders[graph], borders[graph + 1])
            if inside.start < inside.stop:
                rows = buffer[: means.size(0) * tokens.size(0)].view(means.size(0), tokens.size(0))
                block_product(means, tokens, rows, symmetric=state.is_initial and columns.index is None)
                out[inside] = 1 - distance_on_edges(rows, pairs[:, inside] - first_node) / tokens.size(0)
            first_node += means.size(0)
    return out


def distance_function(state: AffinityState, edges: Tensor) -> tuple[Callable[[Tensor], Tensor], bool]:
    """Chooses how to compute :math:`1 - S^s` of any of the edges: from affinity rows if they are fewer than the edges,
    else from the difference of both ends.

    Returns:
        The function, and whether it has affinity rows ready, so that an edge more costs little.
    """
    num_nodes = state.layout.num_nodes
    touched = torch.zeros(num_nodes, dtype=torch.bool, device=edges.device).index_fill_(0, edges.flatten(), True)
    index = touched.nonzero().view(-1)
    if edges.size(1) <= index.numel():
        return partial(distance_by_differences, state), False
    if 2 * index.numel() > num_nodes:  # the whole symmetric product costs about half
        rows, row_of_node = state.mean_rows(), torch.arange(num_nodes, device=edges.device)
    else:
        rows, row_of_node = state.take(index).mean_rows(), touched.cumsum(0).sub_(1)
    return partial(_distance_by_rows, state, rows, row_of_node), True


def distance_by_differences(state: AffinityState, pairs: Tensor) -> Tensor:
    """Computes :math:`1 - S^s` of few pairs in any order, ``[num_pairs]``, with one row of differences for each pair
    instead of two of affinity.
    """
    graph = state.layout.batch.index_select(0, pairs[0])
    order = graph.argsort(stable=True)
    first, second = pairs.index_select(1, order)
    difference = state.mean.index_select(0, first) - state.mean.index_select(0, second)
    layout = Layout.of(graph.index_select(0, order), state.layout.num_graphs)
    check_fits(layout.num_nodes, state.columns)
    distance = affinity_rows(difference, layout, state.columns).abs_().sum(1) / state.num_columns.index_select(0, first)
    return torch.empty_like(distance).index_copy_(0, order, distance)


def _distance_by_rows(state: AffinityState, rows: Tensor, row_of_node: Tensor, pairs: Tensor) -> Tensor:
    return distance_on_edges(rows, row_of_node[pairs]) / state.num_columns.index_select(0, pairs[0])
