"""The maximum spanning forest of a graph: the edges that single linkage merges by, best score first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from graphpool.checks import check_count, check_edge_index, check_same_device, check_tensor, count_nodes

if TYPE_CHECKING:
    import networkx
    from numpy.typing import NDArray

_MANY = 3  # edges for each node, from which on the best are looked at first
_SAMPLE = 2**12  # edges that say where the best end
_NO_EDGE = torch.iinfo(torch.int64).max  # key of no edge


@dataclass(frozen=True)
class SpanningForest:
    """Holds the edges of a maximum spanning forest, best score first.

    Merging along them in this order is single linkage: after all edges with a score above some threshold, the groups
    are the connected components of *all* edges of the graph above it.

    Attributes:
        edge: index of each edge of the forest among the edges of the graph, ``[F]``, int64.
        edge_index: its ends, ``[2, F]``, int64.
        score: its score, ``[F]``, falling, in the dtype that was given.
        num_nodes: number of nodes of the graph; the forest has ``num_nodes - F`` trees.

    Example:
        >>> triangle = torch.tensor([[0, 1, 0], [1, 2, 2]])
        >>> forest = maximum_spanning_forest(triangle, torch.tensor([0.2, 0.9, 0.5]), 3)
        >>> forest.edge.tolist(), forest.num_nodes
        ([1, 2], 3)
    """

    edge: Int[Tensor, " forest"]
    edge_index: Int[Tensor, "2 forest"]
    score: Float[Tensor, " forest"]
    num_nodes: int

    def to_linkage(self, top: float = 1.0) -> NDArray[np.float64]:
        """Converts the merge tree to SciPy's linkage form, for its ``dendrogram``, ``fcluster`` and ``cut_tree``.

        A merge at a score s is at distance ``top - s``. What no edge joins is merged last, at infinite distance:
        ``fcluster`` then keeps it apart; ``dendrogram`` wants a connected graph.

        Args:
            top: score at distance 0, no smaller than any score: 1 for similarities.

        Returns:
            Rows (group, group, distance, number of nodes), ``[num_nodes - 1, 4]``, fp64, on the host.

        Raises:
            ValueError: no nodes, or a score above ``top``.

        Example:
            >>> forest = maximum_spanning_forest(torch.tensor([[0, 1], [1, 2]]), torch.tensor([0.5, 0.75]), 3)
            >>> forest.to_linkage().tolist()
            [[1.0, 2.0, 0.25, 2.0], [0.0, 3.0, 0.5, 3.0]]
        """
        if self.num_nodes == 0:
            raise ValueError("'to_linkage' needs a graph with nodes, got none")
        return linkage_rows(self.edge_index, self.score, self.num_nodes, top)

    def to_networkx(self) -> networkx.Graph:
        """Converts the forest to a networkx graph of all nodes, with ``score`` and ``edge`` on its edges.

        Example:
            >>> forest = maximum_spanning_forest(torch.tensor([[0, 1], [1, 2]]), torch.tensor([0.5, 0.75]), 3)
            >>> list(forest.to_networkx().edges(data="score"))
            [(0, 1, 0.5), (1, 2, 0.75)]
        """
        import networkx

        graph = networkx.Graph()
        graph.add_nodes_from(range(self.num_nodes))
        for edge, source, target, score in zip(
            self.edge.tolist(), *self.edge_index.tolist(), self.score.tolist(), strict=True
        ):
            graph.add_edge(source, target, score=score, edge=edge)
        return graph


def maximum_spanning_forest(
    edge_index: Int[Tensor, "2 edges"], score: Float[Tensor, " edges"], num_nodes: int | None = None
) -> SpanningForest:
    r"""Finds the spanning forest with the largest sum of scores.

    Borůvka's algorithm on the device of the edges: in each round every tree takes its best outgoing edge, and trees
    that are joined become one. A round at least halves the trees that have outgoing edges, so there are at most
    :math:`\log_2 n` rounds. Of equal scores the first edge counts as the better one, which makes the forest unique
    and the result the same on every device. Directions do not matter, self-loops and repeated edges change nothing.

    Args:
        edge_index: edges, ``[2, num_edges]``, int32 or int64.
        score: score of each edge, ``[num_edges]``, floating point.
        num_nodes: number of nodes; the largest index plus one if not given.

    Returns:
        :class:`SpanningForest`.

    Raises:
        TypeError: an argument has the wrong type or dtype.
        ValueError: a wrong shape, an index out of range, or a score that is NaN.

    Host syncs: two for the checks, then a few in each round.

    Example:
        >>> square = torch.tensor([[0, 1, 2, 3], [1, 2, 3, 0]])
        >>> maximum_spanning_forest(square, torch.tensor([0.9, 0.1, 0.8, 0.7])).edge.tolist()
        [0, 2, 3]
    """
    num_nodes = count_nodes(edge_index) if num_nodes is None else check_count("num_nodes", num_nodes, 0)
    edge_index = check_edge_index(edge_index, num_nodes)
    check_tensor("score", score, dims=1, rows=(edge_index.size(1), "edges"))
    check_same_device(edge_index=edge_index, score=score)
    if bool(score.isnan().any()):
        raise ValueError("'score' must not be NaN, got a tensor with NaN in it")
    edge = spanning_edges(edge_index, score.detach(), num_nodes)
    return SpanningForest(edge, edge_index.index_select(1, edge), score.index_select(0, edge), num_nodes)


def spanning_edges(edge_index: Tensor, score: Tensor, num_nodes: int) -> Tensor:
    """Returns the edges of the maximum spanning forest of checked arguments, best first; NaN counts as the worst."""
    keys = EdgeKeys.of(score)
    label, count, taken = torch.arange(num_nodes, device=score.device), num_nodes, [keys.key[:0]]
    rest = _Edges(keys.key, *edge_index).take(edge_index[0] != edge_index[1])
    while rest.key.numel():
        # the best edges join most nodes, and most of the other edges then lie inside a tree
        edges, rest = rest.split(count)
        edges = edges.between(label)
        while edges.key.numel():
            best = best_of_nodes(edges.key, edges.source, edges.target, count)
            nodes = torch.arange(count, device=score.device)
            joined = best != _NO_EDGE
            # the other end of the edge that each tree takes
            ends = edge_index.index_select(1, keys.edges(torch.where(joined, best, edges.key[0])))
            parent = torch.where(joined, label[ends].sum(0) - nodes, nodes)
            # two trees that took one edge hang under each other: the smaller one becomes the root
            root = (parent.index_select(0, parent) == nodes) & (nodes <= parent)
            parent = torch.where(root, nodes, parent)
            taken.append(best.index_select(0, (~root).nonzero().view(-1)))
            while not torch.equal(parent, grandparent := parent.index_select(0, parent)):
                parent = grandparent
            rank = root.cumsum(0)
            coarse, count = rank.sub(1).index_select(0, parent), int(rank[-1])
            label = coarse.index_select(0, label)
            edges = edges.between(coarse)
        rest = rest.take(label.index_select(0, rest.source) != label.index_select(0, rest.target))
    return keys.edges(torch.cat(taken).sort().values)


class _Edges(NamedTuple):
    """Keys and ends of the edges that are left."""

    key: Tensor
    source: Tensor
    target: Tensor

    def take(self, kept: Tensor) -> _Edges:
        """Selects the edges for which ``kept`` is true."""
        index = kept.nonzero().view(-1)
        return _Edges(*(rows.index_select(0, index) for rows in self))

    def between(self, coarse: Tensor) -> _Edges:
        """Renames the ends, and drops the edges that then are loops."""
        source, target = coarse.index_select(0, self.source), coarse.index_select(0, self.target)
        return _Edges(self.key, source, target).take(source != target)

    def split(self, num_nodes: int) -> tuple[_Edges, _Edges]:
        """Splits off the best edges, about as many as there are nodes, where there are many more."""
        step = self.key.numel() // _SAMPLE
        if not step or self.key.numel() < _MANY * num_nodes:
            return self, _Edges(*(rows[:0] for rows in self))
        sample = self.key[::step]
        pivot = sample.kthvalue(max(1, sample.numel() * num_nodes // self.key.numel())).values
        best = self.key <= pivot
        return self.take(best), self.take(~best)


def best_of_nodes(key: Tensor, source: Tensor, target: Tensor, num_nodes: int) -> Tensor:
    """Finds the smallest key of the edges at each node, ``[num_nodes]``; the largest int64 where there are none."""
    best = key.new_full((num_nodes,), _NO_EDGE)
    return best.scatter_reduce_(0, source, key, "amin").scatter_reduce_(0, target, key, "amin")


@dataclass(frozen=True)
class EdgeKeys:
    """Distinct int64 keys that order edges: falling by score, equal ones by their index.

    Attributes:
        key: key of each edge, ``[num_edges]``.
        order: the edges by rising key, where keys are ranks; ``None`` where they hold the index in their lower half.
    """

    key: Tensor
    order: Tensor | None

    @classmethod
    def of(cls, score: Tensor) -> EdgeKeys:
        """Makes the keys; NaN counts as the worst score."""
        score = score.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
        index = torch.arange(score.numel(), device=score.device)
        if score.dtype == torch.float64:
            order = score.argsort(descending=True, stable=True)
            return cls(torch.empty_like(order).index_copy_(0, order, index), order)
        bits = (score.float() + 0.0).view(torch.int32)  # + 0.0: there is one zero
        rising = bits ^ ((bits >> 31) & 0x7FFFFFFF)  # as signed integers, in the order of the scores
        return cls(((~rising).long() << 32) | index, None)

    def edges(self, key: Tensor) -> Tensor:
        """Finds the edges that have these keys."""
        return key & 0xFFFFFFFF if self.order is None else self.order.index_select(0, key)


def linkage_rows(
    ends: Tensor, score: Tensor, num_nodes: int, top: float, *, rounding: float = 0.0
) -> NDArray[np.float64]:
    """Builds SciPy's linkage form of merges, best first; then joins the trees that are left, at infinite distance.

    Scores may exceed ``top`` by ``rounding``.
    """
    distance = top - score.double().cpu().numpy()
    if distance.size and distance[0] < -rounding:
        raise ValueError(f"'top' must be at least the largest score, {float(score[0])}, got {top}")
    distance = distance.clip(min=0)
    rows = np.empty((num_nodes - 1, 4))
    group = list(range(2 * num_nodes - 1))  # union-find over nodes and the groups that merges make
    size = [1] * num_nodes

    def find(node: int) -> int:
        while group[node] != node:
            group[node] = node = group[group[node]]
        return node

    def merge(first: int, second: int, height: float) -> None:
        new = len(size)
        rows[new - num_nodes] = min(first, second), max(first, second), height, size[first] + size[second]
        group[first] = group[second] = new
        size.append(size[first] + size[second])

    for first, second, height in zip(*ends.tolist(), distance.tolist(), strict=True):
        merge(find(first), find(second), height)
    joined, *trees = sorted({find(node) for node in range(num_nodes)})
    for tree in trees:
        merge(joined, tree, np.inf)
        joined = len(size) - 1
    return rows
