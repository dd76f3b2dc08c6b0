"""The coarse graph: edges between clusters."""

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from graphpool.checks import check_choice, check_cluster, check_edge_index, check_same_device, check_tensor
from graphpool.segment_reduce import add_rows, average_rows, count_rows, take_rows

REDUCTIONS = ("sum", "mean", "max", "min")


def contract_edges(
    cluster: Int[Tensor, " nodes"],
    edge_index: Int[Tensor, "2 edges"],
    edge_attr: Shaped[Tensor, "edges *attributes"] | None = None,
    *,
    num_clusters: int,
    reduce: str = "sum",
) -> tuple[Int[Tensor, "2 coarse_edges"], Shaped[Tensor, "coarse_edges *attributes"] | None]:
    r"""Connects clusters as their nodes are connected, :math:`\Omega^\top E\, \Omega` without its diagonal.

    Two clusters are joined exactly if an edge joins a node of one to a node of the other. (Eq. 5 of the paper as
    printed, :math:`\Omega^\top E (\Omega^\top E)^\top`, joins clusters at distance *two*; its text says this.)
    Directions are kept: the coarse graph is undirected if the fine one is.

    Args:
        cluster: cluster of each node, ``[num_nodes]``, int32 or int64.
        edge_index: edges, ``[2, num_edges]``, int32 or int64.
        edge_attr: attributes of the edges, ``[num_edges, *]``, integer or floating point.
        num_clusters: number of clusters.
        reduce: how the attributes of merged edges become one: ``"sum"``, ``"mean"``, ``"max"`` or ``"min"``.
            Differentiable in ``edge_attr``. The mean of integers is rounded down.

    Returns:
        Coarse edges ``[2, num_coarse_edges]``, int64, each once, sorted by source and target; and their attributes
        ``[num_coarse_edges, *]`` in the dtype of ``edge_attr``, or ``None``.

    Raises:
        TypeError: an argument has the wrong type or dtype.
        ValueError: a wrong shape, an index out of range, or an unknown ``reduce``.

    Host syncs: two for the range checks, one for the number of coarse edges.

    Example:
        >>> path = torch.tensor([[0, 1, 2], [1, 2, 3]])
        >>> contract_edges(torch.tensor([0, 0, 1, 2]), path, num_clusters=3)[0].tolist()
        [[0, 1], [1, 2]]
    """
    cluster, num_clusters = check_cluster(cluster, num_clusters)
    edge_index = check_edge_index(edge_index, cluster.numel())
    check_choice("reduce", reduce, REDUCTIONS)
    if edge_attr is not None:
        check_tensor("edge_attr", edge_attr, kind="number", rows=(edge_index.size(1), "edges"))
    check_same_device(cluster=cluster, edge_index=edge_index, edge_attr=edge_attr)
    return coarsen(cluster, edge_index, edge_attr, num_clusters, reduce)


def coarsen(
    cluster: Tensor, edge_index: Tensor, edge_attr: Tensor | None, num_clusters: int, reduce: str = "sum"
) -> tuple[Tensor, Tensor | None]:
    """Computes :func:`contract_edges` of checked arguments."""
    source, target = cluster.index_select(0, edge_index[0]), cluster.index_select(0, edge_index[1])
    between = (source != target).nonzero().view(-1)
    ends = torch.stack([source, target]).index_select(1, between)
    coarse, inverse = unique_edges(ends, num_clusters, return_inverse=edge_attr is not None)
    if edge_attr is None or inverse is None:
        return coarse, None
    return coarse, _reduce_attributes(take_rows(edge_attr, between), inverse, coarse.size(1), reduce)


def sort_ends(edge_index: Tensor) -> Tensor:
    """Puts the smaller node of each edge first."""
    return torch.stack([torch.minimum(*edge_index), torch.maximum(*edge_index)])


def unique_edges(edge_index: Tensor, num_nodes: int, *, return_inverse: bool) -> tuple[Tensor, Tensor | None]:
    """Removes repeated edges.

    Returns:
        The unique edges, sorted by source and target; and which of them each edge is, if asked for.
    """
    key, inverse = _unique_keys(edge_index[0] * num_nodes + edge_index[1], num_nodes * num_nodes, return_inverse)
    divisor = max(num_nodes, 1)
    return torch.stack([key.div(divisor, rounding_mode="floor"), key % divisor]), inverse


def _unique_keys(key: Tensor, num_keys: int, return_inverse: bool) -> tuple[Tensor, Tensor | None]:
    """Does what ``torch.unique`` does for keys below ``num_keys``.

    Where a table of all keys is no larger than a few times the list, it replaces the sort.
    """
    if num_keys <= 16 * key.numel() + 2**16:
        table = torch.zeros(num_keys, dtype=torch.bool, device=key.device)
        table.index_fill_(0, key, True)
        unique = table.nonzero().view(-1)
        return unique, table.cumsum(0).sub_(1).index_select(0, key) if return_inverse else None
    if not return_inverse:
        key = key.sort().values
        first = torch.ones_like(key, dtype=torch.bool)
        torch.ne(key[1:], key[:-1], out=first[1:])
        return key.index_select(0, first.nonzero().view(-1)), None
    return torch.unique(key, sorted=True, return_inverse=True)


def _reduce_attributes(edge_attr: Tensor, group: Tensor, count: int, reduce: str) -> Tensor:
    """Reduces the attributes of the edges of each group to one."""
    if reduce in ("max", "min"):
        # start beyond all values: torch shares the gradient with a start value that equals the result
        limits = (torch.finfo if edge_attr.is_floating_point() else torch.iinfo)(edge_attr.dtype)
        worst = edge_attr.new_full((count, *edge_attr.shape[1:]), limits.min if reduce == "max" else limits.max)
        index = group.view(-1, *[1] * (edge_attr.dim() - 1)).expand_as(edge_attr)
        return worst.scatter_reduce(0, index, edge_attr, "a" + reduce)
    if edge_attr.is_floating_point():
        return (add_rows if reduce == "sum" else average_rows)(edge_attr, group, count)
    total = edge_attr.new_zeros(count, *edge_attr.shape[1:]).index_add_(0, group, edge_attr)
    if reduce == "sum":
        return total
    sizes = count_rows(group, count).view(-1, *[1] * (edge_attr.dim() - 1))
    return total.div(sizes, rounding_mode="floor")
