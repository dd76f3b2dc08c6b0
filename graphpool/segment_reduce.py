"""Sums and means of rows by cluster, and weighted sums over incoming edges; deterministic on every device."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphpool.checks import check_cluster, check_rows, check_tensor
from graphpool.precision import widen

_CHUNK_BYTES = 2**22


def segment_sum(
    x: Float[Tensor, "nodes *channels"], cluster: Int[Tensor, " nodes"], num_clusters: int | None = None
) -> Float[Tensor, "clusters *channels"]:
    r"""Sums the rows of each cluster, :math:`\Omega^\top X`.

    Deterministic on every device, forward and backward: rows are added in the order of the nodes, never by atomics.
    Differentiable in ``x`` (twice as well).

    Args:
        x: rows, ``[num_nodes, *]``, floating point.
        cluster: cluster of each node, ``[num_nodes]``, int32 or int64, in any order.
        num_clusters: number of clusters; the largest index plus one if not given. Empty clusters sum to zero.

    Returns:
        Sums ``[num_clusters, *]``, in the dtype of ``x``.

    Raises:
        TypeError: an argument has the wrong type or dtype.
        ValueError: a wrong shape, or a cluster index out of range.

    Example:
        >>> segment_sum(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([0, 1, 0])).tolist()
        [[5.0], [2.0]]
    """
    return add_rows(x, *_check_segments(x, cluster, num_clusters))


def segment_mean(
    x: Float[Tensor, "nodes *channels"], cluster: Int[Tensor, " nodes"], num_clusters: int | None = None
) -> Float[Tensor, "clusters *channels"]:
    """Averages the rows of each cluster, as deterministically and differentiably as :func:`segment_sum`.

    Args:
        x: rows, ``[num_nodes, *]``, floating point.
        cluster: cluster of each node, ``[num_nodes]``, int32 or int64, in any order.
        num_clusters: number of clusters; the largest index plus one if not given. Empty clusters have mean zero.

    Returns:
        Means ``[num_clusters, *]``, in the dtype of ``x``.

    Raises:
        TypeError: an argument has the wrong type or dtype.
        ValueError: a wrong shape, or a cluster index out of range.

    Example:
        >>> segment_mean(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([0, 1, 0])).tolist()
        [[2.5], [2.0]]
    """
    return average_rows(x, *_check_segments(x, cluster, num_clusters))


def _check_segments(x: Tensor, cluster: Tensor, num_clusters: int | None) -> tuple[Tensor, int]:
    """Checks the arguments of a reduction; returns the clusters as int64, and their number. One host sync."""
    check_tensor("x", x)
    cluster, num_clusters = check_cluster(cluster, num_clusters)
    check_rows("cluster", cluster, x.size(0), "rows of 'x'")
    return cluster, num_clusters


def average_rows(x: Tensor, cluster: Tensor, num_clusters: int) -> Tensor:
    """Computes :func:`segment_mean` of checked arguments."""
    sizes = count_rows(cluster, num_clusters).clamp(min=1).to(x.dtype)
    return add_rows(x, cluster, num_clusters) / sizes.view(-1, *[1] * (x.dim() - 1))


def count_rows(cluster: Tensor, num_clusters: int) -> Tensor:
    """Counts the nodes of each cluster, int64. Integer sums are the same in any order, so atomics do no harm."""
    return torch.zeros(num_clusters, dtype=torch.long, device=cluster.device).scatter_add_(
        0, cluster, torch.ones_like(cluster)
    )


def add_rows(x: Tensor, cluster: Tensor, num_clusters: int) -> Tensor:
    """Computes :func:`segment_sum` of checked arguments."""
    return _AddRows.apply(x, cluster, num_clusters)


def take_rows(x: Tensor, index: Tensor) -> Tensor:
    """Returns ``x[index]`` with a gradient that is a :func:`segment_sum`, hence deterministic on CUDA as well."""
    return _TakeRows.apply(x, index)


def add_neighbours(x: Tensor, weight: Tensor, edge_index: Tensor, num_targets: int) -> Tensor:
    """Computes ``out[t] = sum over edges (s, t) of weight * x[s]``, ``[num_targets, channels]``.

    Deterministic; differentiable in ``x`` and ``weight``. On CPU edges are worked through in chunks, so that there is
    never a row for every edge.
    """
    return _AddNeighbours.apply(x, weight, edge_index, num_targets)


class _AddRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cluster: Tensor, num_clusters: int) -> Tensor:
        ctx.save_for_backward(cluster)
        flat = widen(x).flatten(1) if x.dim() > 1 else widen(x).unsqueeze(1)
        if x.device.type == "cuda":
            cluster, order = torch.sort(cluster, stable=True)
            offsets = torch.searchsorted(cluster, torch.arange(num_clusters + 1, device=x.device))
            out = torch.segment_reduce(flat.index_select(0, order), "sum", offsets=offsets, unsafe=True, initial=0)
        else:
            out = flat.new_zeros(num_clusters, flat.size(1)).index_add_(0, cluster, flat)
        return out.view(num_clusters, *x.shape[1:]).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (cluster,) = ctx.saved_tensors
        return take_rows(grads[0], cluster), None, None


class _TakeRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.num_rows = x.size(0)
        return x.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (index,) = ctx.saved_tensors
        return add_rows(grads[0], index, ctx.num_rows), None


class _AddNeighbours(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, edge_index: Tensor, num_targets: int) -> Tensor:
        ctx.save_for_backward(x, weight, edge_index)
        source, target = edge_index
        if x.device.type == "cuda":  # atomics would be out of order, and sorting wants all rows at once
            return add_rows(take_rows(x, source) * weight.unsqueeze(1), target, num_targets)
        step = _edges_per_chunk(x)
        out = widen(x).new_zeros(num_targets, x.size(1))
        for start in range(0, source.numel(), step):
            chunk = slice(start, start + step)
            rows = widen(x.index_select(0, source[chunk])) * widen(weight[chunk]).unsqueeze(1)
            out.index_add_(0, target[chunk], rows)
        return out.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, edge_index = ctx.saved_tensors
        grad = grads[0]
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            grad_x = add_neighbours(grad, weight, edge_index.flip(0), x.size(0))
        if ctx.needs_input_grad[1]:
            step = _edges_per_chunk(x)
            chunks = zip(edge_index[0].split(step), edge_index[1].split(step), strict=True)
            dots = [(take_rows(x, source) * take_rows(grad, target)).sum(1) for source, target in chunks]
            grad_weight = torch.cat([weight.new_zeros(0), *dots])
        return grad_x, grad_weight, None, None


def _edges_per_chunk(x: Tensor) -> int:
    return max(1, _CHUNK_BYTES // max(1, x.size(1) * x.element_size()))
