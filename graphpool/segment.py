"""Sums and means of rows by cluster, and their transpose: rows of clusters back on the nodes."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphpool.checks import check_cluster, check_rows, check_tensor
from graphpool.precision import widen


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
    check_tensor("x", x)
    cluster, num_clusters = check_cluster(cluster, num_clusters)
    check_rows("cluster", cluster, x.size(0), "rows of 'x'")
    return add_rows(x, cluster, num_clusters)


def segment_mean(
    x: Float[Tensor, "nodes *channels"], cluster: Int[Tensor, " nodes"], num_clusters: int | None = None
) -> Float[Tensor, "clusters *channels"]:
    """Averages the rows of each cluster; an empty cluster has mean zero. Arguments, errors and determinism as in
    :func:`segment_sum`.

    Example:
        >>> segment_mean(torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([0, 1, 0])).tolist()
        [[2.5], [2.0]]
    """
    check_tensor("x", x)
    cluster, num_clusters = check_cluster(cluster, num_clusters)
    check_rows("cluster", cluster, x.size(0), "rows of 'x'")
    return average_rows(x, cluster, num_clusters)


def average_rows(x: Tensor, cluster: Tensor, num_clusters: int) -> Tensor:
    """:func:`segment_mean` of checked arguments."""
    sizes = count_rows(cluster, num_clusters).clamp(min=1).to(x.dtype)
    return add_rows(x, cluster, num_clusters) / sizes.view(-1, *[1] * (x.dim() - 1))


def count_rows(cluster: Tensor, num_clusters: int) -> Tensor:
    """Number of nodes in each cluster, int64. Integer sums are the same in any order, so atomics do no harm."""
    return torch.zeros(num_clusters, dtype=torch.long, device=cluster.device).scatter_add_(
        0, cluster, torch.ones_like(cluster)
    )


def add_rows(x: Tensor, cluster: Tensor, num_clusters: int) -> Tensor:
    """:func:`segment_sum` of checked arguments."""
    return _AddRows.apply(x, cluster, num_clusters)


def take_rows(x: Tensor, index: Tensor) -> Tensor:
    """``x[index]`` whose gradient is a :func:`segment_sum`, hence deterministic on CUDA as well."""
    return _TakeRows.apply(x, index)


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
