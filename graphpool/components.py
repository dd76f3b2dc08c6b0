"""Connected components, found on the device of the edges by hooking roots and contracting."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from graphpool.checks import check_count, check_edge_index, check_tensor, count_nodes


@dataclass(frozen=True)
class Components:
    """Labels the connected components of a graph; unpacks as ``label, count``.

    Attributes:
        label: component of each node, ``[num_nodes]``, int64.
        count: number of components; an int, or a scalar tensor on the device in the static form.
        converged: whether the fixed number of sweeps of the static form was enough, a scalar tensor on the device;
            always ``True`` in the other form.

    Example:
        >>> components = connected_components(torch.tensor([[0], [2]]), num_nodes=3)
        >>> components.label.tolist(), components.count, components.converged
        ([0, 1, 0], 2, True)
    """

    label: Int[Tensor, " nodes"]
    count: int | Int[Tensor, ""]
    converged: bool | Bool[Tensor, ""] = True

    def __iter__(self) -> Iterator[Tensor | int]:
        return iter((self.label, self.count))


def connected_components(
    edge_index: Int[Tensor, "2 edges"],
    num_nodes: int | None = None,
    *,
    edge_mask: Bool[Tensor, " edges"] | None = None,
    static: bool = False,
) -> Components:
    r"""Finds the connected components of an undirected graph.

    Directed edges count as undirected, self-loops and repeated edges change nothing. Components are numbered by
    their first node, exactly as :func:`scipy.sparse.csgraph.connected_components` numbers them.

    Each round hooks every root to the smallest root next to it, flattens the trees by pointer jumping and contracts
    what it found. Two rounds at least halve the roots of every unfinished component: a root that hooked nothing and
    was not hooked to is smaller than all its neighbours, and each of those now hangs under a still smaller one. So
    there are at most :math:`2 \log_2 n` rounds, on ever smaller graphs. Only ``amin`` reductions: deterministic on
    every device. The idea of hooking roots to the smallest label offered is that of `"Simple Concurrent Labeling
    Algorithms for Connected Components" <https://arxiv.org/abs/1812.06177>`_.

    The static form is `FastSV <https://arxiv.org/abs/1910.05971>`_ with a fixed number of sweeps. It never waits for
    the device, compiles with ``fullgraph=True`` and can be captured in a CUDA graph. On CPU, where nothing has to be
    waited for, it stops as soon as nothing moves, and is still several times slower than the other form.

    Args:
        edge_index: edges, ``[2, num_edges]``, int32 or int64.
        num_nodes: number of nodes; the largest index plus one if not given.
        edge_mask: which edges count, ``[num_edges]``, bool; all if not given.
        static: whether to do without host syncs and data-dependent shapes. Labels are then the smallest node of each
            component instead of consecutive numbers, and ``count`` and ``converged`` stay on the device.

    Returns:
        :class:`Components`.

    Raises:
        TypeError: an argument has the wrong type or dtype.
        ValueError: a wrong shape, an index out of range, or ``static`` without ``num_nodes`` under compilation.

    Host syncs: one for the range check, then one for each round and each pointer jump; none inside the static form
    under ``torch.compile`` (eagerly, its arguments are checked as everywhere).

    Example:
        >>> edges = torch.tensor([[0, 3, 4], [2, 4, 5]])
        >>> label, count = connected_components(edges, num_nodes=6)
        >>> label.tolist(), count
        ([0, 1, 0, 2, 2, 2], 3)
    """
    num_nodes = count_nodes(edge_index) if num_nodes is None else check_count("num_nodes", num_nodes, 0)
    edge_index = check_edge_index(edge_index, num_nodes)
    if edge_mask is not None:
        check_tensor("edge_mask", edge_mask, dims=1, kind="bool", rows=(edge_index.size(1), "edges"))
    if static:
        return _fixed_sweeps(edge_index, num_nodes, edge_mask)
    if edge_mask is not None:
        edge_index = edge_index.index_select(1, edge_mask.nonzero().view(-1))
    return Components(*hook_and_contract(edge_index, num_nodes))


def hook_and_contract(edge_index: Tensor, num_nodes: int) -> tuple[Tensor, int]:
    """Returns the labels and the number of the components of checked int64 edges."""
    source, target = edge_index
    count, rounds = num_nodes, []
    while source.numel():
        coarse, count = _hook_once(torch.maximum(source, target), torch.minimum(source, target), count)
        source, target = coarse.index_select(0, source), coarse.index_select(0, target)
        alive = (source != target).nonzero().view(-1)
        source, target = source.index_select(0, alive), target.index_select(0, alive)
        rounds.append(coarse)
    if not rounds:
        return torch.arange(num_nodes, device=edge_index.device), num_nodes
    label = rounds.pop()
    while rounds:  # from the smallest graph back to the first
        label = label.index_select(0, rounds.pop())
    return label, count


def _hook_once(high: Tensor, low: Tensor, num_nodes: int) -> tuple[Tensor, int]:
    """Hooks each node to its smallest neighbour below it; returns the tree of each node, and the number of trees."""
    nodes = torch.arange(num_nodes, device=high.device)
    parent = nodes.scatter_reduce(0, high, low, "amin")
    while not torch.equal(parent, grandparent := parent.index_select(0, parent)):
        parent = grandparent
    # A root is the smallest node of its tree, so counting roots in order keeps the order of first nodes. The running
    # sum does what torch.unique would do, 60 times faster.
    rank = (parent == nodes).cumsum(0)
    return rank.sub(1).index_select(0, parent), int(rank[-1])


def _fixed_sweeps(edge_index: Tensor, num_nodes: int, edge_mask: Tensor | None) -> Components:
    """Finds components by FastSV: hooks and shortcuts all nodes at once, a number of times that only shapes decide."""
    source, target = edge_index
    if edge_mask is not None:
        target = torch.where(edge_mask, target, source)
    source, target = torch.cat([source, target]), torch.cat([target, source])
    nodes = torch.arange(num_nodes, device=edge_index.device)
    parent = grandparent = nodes
    # log2(n) + 2 sweeps are the most that were ever seen; no bound is proven, hence the factor and the flag
    for _ in range(2 * math.ceil(math.log2(max(num_nodes, 2))) + 2):
        offer = grandparent.index_select(0, target)
        hooked = parent.scatter_reduce(0, parent.index_select(0, source), offer, "amin")  # hook the root
        hooked = hooked.scatter_reduce(0, source, offer, "amin")  # and the node itself
        parent = torch.minimum(hooked, grandparent)
        before, grandparent = grandparent, parent.index_select(0, parent)
        # on CPU there is no device to wait for: stop when nothing moves any more
        if parent.is_cpu and not torch.compiler.is_compiling() and torch.equal(before, grandparent):
            break
    agree = parent.index_select(0, source) == parent.index_select(0, target)
    return Components(parent, (parent == nodes).sum(), agree.all() & (parent == grandparent).all())
