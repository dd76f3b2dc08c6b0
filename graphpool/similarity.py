"""How alike two nodes are: Eq. 2 by their features, Eq. 3 by their affinity to all tokens."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from graphpool.checks import check_edge_index, check_rows, check_same_device, check_tensor
from graphpool.precision import widen
from graphpool.segment import take_rows

# Rows are compared a few at a time, so that what is gathered stays in the cache (and, on CUDA, in bounds).
_CHUNK_BYTES = {"cpu": 2**21, "cuda": 2**28}


def feature_similarity(
    x: Float[Tensor, "nodes channels"], edge_index: Int[Tensor, "2 edges"]
) -> Float[Tensor, " edges"]:
    r"""Cosine of the features at both ends of each edge: the paper's Eq. 2,
    :math:`S^f_{ij} = V_i V_j^\top` with rows :math:`V` of unit length.

    Rows are normalised here; a zero row has similarity 0 to everything. Differentiable in ``x``.

    Args:
        x: node features, ``[num_nodes, channels]``.
        edge_index: edges, ``[2, num_edges]``.

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
    r"""One minus the mean absolute difference of the affinity rows at both ends of each edge: the paper's Eq. 3,
    :math:`S^s_{ij} = 1 - \frac{1}{n} \lVert r_i - r_j \rVert_1`. Differentiable in ``rows``.

    Args:
        rows: affinity row of each node (the mean of its tokens' rows of :math:`A = F F^\top`),
            ``[num_nodes, num_tokens]``.
        edge_index: edges, ``[2, num_edges]``.
        num_tokens: in a batch of graphs of different sizes, how many columns count for each node, ``[num_nodes]``;
            the columns beyond must be zero.

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
        check_tensor("num_tokens", num_tokens, dims=1, kind="integer")
        check_rows("num_tokens", num_tokens, rows.size(0), "nodes")
        columns = num_tokens.index_select(0, edge_index[0])
    return (1 - distance_on_edges(widen(rows), edge_index) / columns).to(rows.dtype)


def affinity_similarity_pairs(rows: Float[Tensor, "nodes tokens"]) -> Float[Tensor, " pairs"]:
    """Eq. 3 for all pairs of nodes of one graph, in the order of :func:`torch.nn.functional.pdist`:
    (0, 1), (0, 2) ... (1, 2) ... Differentiable in ``rows``.

    Args:
        rows: affinity row of each node, ``[num_nodes, num_tokens]``.

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
    """Inner product of the rows at both ends of each edge, at its second end those of ``other`` if given."""
    return _on_edges(torch.mul, x, x if other is None else other, edge_index)


def distance_on_edges(x: Tensor, edge_index: Tensor) -> Tensor:
    """L1 distance of the rows at both ends of each edge."""
    return _on_edges(_absolute_difference, x, x, edge_index)


def _absolute_difference(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    return torch.sub(left, right, out=out).abs_()


def _on_edges(compare: Callable[..., Tensor], x: Tensor, other: Tensor, edge_index: Tensor) -> Tensor:
    """Sum over the channels of what ``compare(left, right, out=...)`` makes of ``x`` and ``other`` at both ends."""
    source, target = edge_index
    if torch.compiler.is_compiling() or (torch.is_grad_enabled() and (x.requires_grad or other.requires_grad)):
        return compare(take_rows(x, source), take_rows(other, target)).sum(1)
    num_edges = source.numel()
    step = max(1, _CHUNK_BYTES.get(x.device.type, 2**28) // max(1, x.size(1) * x.element_size()))
    out = x.new_empty(num_edges)
    left, right = x.new_empty(2, min(step, num_edges), x.size(1))  # once: fresh pages cost more than the arithmetic
    for start in range(0, num_edges, step):
        part = slice(start, min(start + step, num_edges))
        first, second = left[: part.stop - start], right[: part.stop - start]
        torch.index_select(x, 0, source[part], out=first)
        torch.index_select(other, 0, target[part], out=second)
        torch.sum(compare(first, second, out=first), 1, out=out[part])
    return out
