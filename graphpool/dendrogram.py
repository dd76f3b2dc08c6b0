"""The whole merge tree of a graph: agglomeration of neighbours by average linkage, and its cuts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphpool.affinity_state import CENTERS, unit_tokens
from graphpool.batch_layout import Layout
from graphpool.checks import check_choice, check_count, check_graph, check_number
from graphpool.components import hook_and_contract
from graphpool.grouping import Grouping, needed_merges, ranks_in_graphs
from graphpool.mutual_merging import mutual_merges
from graphpool.similarity import dot_on_edges
from graphpool.spanning_forest import linkage_rows

LINKAGES = ("average", "balanced")
_ROUNDING = 1e-6  # of the similarity of equal nodes

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Dendrogram:
    """Holds the merges that make each graph of a batch one group, best first: a binary tree for each.

    Groups are named by numbers: node i is group i, and merge m makes group ``num_nodes + m``.

    Attributes:
        ends: first node of each of the two groups that merge, ``[2, M]``, int64.
        child: the two groups, ``[2, M]``, int64.
        height: similarity at which they merge, ``[M]``, falling.
        area: number of tokens of what they make, ``[M]``, int64: of nodes, where those are not groups of tokens.
        batch: graph of each node, ``[num_nodes]``, int64.
        num_graphs: number of graphs.

    Example:
        >>> from graphpool import grid_graph
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])  # a row of three nodes
        >>> tree = agglomerate(x, grid_graph(1, 3))
        >>> tree.child.tolist(), tree.area.tolist()
        ([[0, 3], [1, 2]], [2, 3])
    """

    ends: Int[Tensor, "2 merges"]
    child: Int[Tensor, "2 merges"]
    height: Float[Tensor, " merges"]
    area: Int[Tensor, " merges"]
    batch: Int[Tensor, " nodes"]
    num_graphs: int

    @property
    def num_nodes(self) -> int:
        """Number of nodes of all graphs."""
        return self.batch.numel()

    @cached_property
    def graph(self) -> Int[Tensor, " merges"]:
        """Graph of each merge, ``[M]``."""
        return self.batch.index_select(0, self.ends[0])

    @cached_property
    def rank(self) -> Int[Tensor, " merges"]:
        """Number of the merges of the same graph before each, ``[M]``."""
        order, place = ranks_in_graphs(self.height, self.graph, self.num_graphs)
        return torch.empty_like(place).index_copy_(0, order, place)

    @cached_property
    def parent(self) -> Int[Tensor, " groups"]:
        """Group that each group is merged into, ``[num_nodes + M]``; -1 for the last of a graph."""
        parent = torch.full((self.num_nodes + self.height.numel(),), -1, device=self.child.device)
        made = torch.arange(self.num_nodes, parent.numel(), device=parent.device)
        return parent.index_copy_(0, self.child.flatten(), made.repeat(2))

    @cached_property
    def num_nodes_of_merges(self) -> Int[Tensor, " merges"]:
        """Number of nodes of what each merge makes, ``[M]``: its area, where nodes are no groups of tokens."""
        count = [1] * self.num_nodes
        for one, other in self.child.T.tolist():
            count.append(count[one] + count[other])
        return torch.tensor(count[self.num_nodes :], dtype=torch.long, device=self.child.device)

    @cached_property
    def members(self) -> tuple[Int[Tensor, " nodes"], Int[Tensor, " groups"]]:
        """An order of the nodes in which every group stands together, and the place of the first node of each group.

        The n nodes of group g are ``order[first[g] : first[g] + n]``. Graphs stand in their order. Computed on the
        host.
        """
        num_nodes, parent = self.num_nodes, self.parent.cpu().numpy()
        child = self.child.T.tolist()
        count = [*[1] * num_nodes, *self.num_nodes_of_merges.tolist()]
        size = np.array(count)
        roots = np.flatnonzero(parent < 0)
        graph = np.concatenate([self.batch.cpu().numpy(), self.graph.cpu().numpy()])[roots]
        roots = roots[graph.argsort(kind="stable")]
        first = np.zeros(len(count), dtype=np.int64)
        first[roots] = size[roots].cumsum() - size[roots]
        for merge in range(len(child) - 1, -1, -1):
            one, other = child[merge]
            first[one] = first[num_nodes + merge]
            first[other] = first[one] + count[one]
        order = np.empty(num_nodes, dtype=np.int64)
        order[first[:num_nodes]] = np.arange(num_nodes)
        return torch.from_numpy(order).to(self.batch.device), torch.from_numpy(first).to(self.batch.device)

    def made(
        self,
        *,
        ratio: float | None = None,
        threshold: float | None = None,
        share_of: Int[Tensor, " graphs"] | None = None,
    ) -> Bool[Tensor, " merges"]:
        """Says which merges a cut keeps, ``[M]``; see :meth:`cut`."""
        if ratio is not None and threshold is None:
            Grouping(None, ratio).check()
            needed = needed_merges(self.batch, self.num_graphs, ratio, share_of)
            return self.rank < needed.index_select(0, self.graph)
        if threshold is not None and ratio is None:
            return self.height > check_number("threshold", threshold, -math.inf, math.inf)
        raise ValueError(f"one of 'ratio' and 'threshold' must be given, got {ratio} and {threshold}")

    def cut(
        self,
        *,
        ratio: float | None = None,
        threshold: float | None = None,
        share_of: Int[Tensor, " graphs"] | None = None,
    ) -> Int[Tensor, " nodes"]:
        """Cuts the trees: groups as they are after the merges above a threshold, or after enough of them.

        Args:
            ratio: largest share of the nodes of each graph that is left, in (0, 1]; rounded down, at least one node.
            threshold: merges above it are made.
            share_of: what the ratio is a share of, such as the number of tokens of each graph, ``[num_graphs]``; its
                nodes if not given.

        Returns:
            Group of each node, numbered by first nodes, ``[num_nodes]``, int64.

        Raises:
            ValueError: both or neither given, or one out of its range.

        Example:
            >>> from graphpool import grid_graph
            >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
            >>> agglomerate(x, grid_graph(1, 3)).cut(threshold=0.5)
            tensor([0, 0, 1])
        """
        made = self.made(ratio=ratio, threshold=threshold, share_of=share_of)
        return hook_and_contract(self.ends.index_select(1, made.nonzero().view(-1)), self.num_nodes)[0]

    def to_linkage(self, graph: int = 0, top: float = 1.0) -> NDArray[np.float64]:
        """Converts the tree of one graph to SciPy's linkage form, as :meth:`SpanningForest.to_linkage` does.

        Args:
            graph: which graph.
            top: similarity at distance 0.

        Raises:
            ValueError: no such graph, a graph without nodes, or a similarity above ``top``.
        """
        check_count("graph", graph, 0)
        nodes = (self.batch == graph).nonzero().view(-1)
        if not nodes.numel():
            raise ValueError(f"'graph' must be that of some nodes, got {graph}")
        own = (self.graph == graph).nonzero().view(-1)
        ends = self.ends.index_select(1, own) - nodes[0]
        return linkage_rows(ends, self.height.index_select(0, own), nodes.numel(), top, rounding=_ROUNDING)


def agglomerate(
    x: Float[Tensor, "nodes channels"],
    edge_index: Int[Tensor, "2 edges"],
    batch: Int[Tensor, " nodes"] | None = None,
    *,
    linkage: str = "average",
    center: str = "none",
    max_area: float | None = None,
    batch_size: int | None = None,
) -> Dendrogram:
    """Merges neighbouring groups of nodes, the most alike first, until each connected graph is one group.

    Only groups that an edge joins may merge. There is no threshold, and one node does not chain two regions, as it does
    with connected components. In each round all groups that are each other's best neighbours merge, in all graphs at
    once, which takes some tens of rounds for a thousand nodes. A merge that is better than one that it needs counts as
    high as that. No gradients.

    Args:
        x: node features, ``[num_nodes, channels]``, floating point; normalised here.
        edge_index: edges, ``[2, num_edges]``, int32 or int64; directions and repetitions do not matter.
        batch: graph of each node, sorted, ``[num_nodes]``; ``None`` for one graph.
        linkage: similarity of two groups. ``"average"``: the mean cosine of all pairs of their nodes (UPGMA, on a
            graph). ``"balanced"``: one minus a dissimilarity times the fourth root of :math:`ab / (a + b)`, a and b
            their numbers of nodes, by which small groups merge first; the dissimilarity is one minus the mean of the
            cosine of their mean nodes and the mean cosine of the edges between them. It finds better regions of photos.
        center: ``"none"``, or ``"graph"`` to subtract each graph's mean row before normalising.
        max_area: a merge that would make a group of more than this share of its graph is not made; ``None`` for no
            limit.
        batch_size: number of graphs, if the last ones have no nodes.

    Returns:
        :class:`Dendrogram`.

    Raises:
        TypeError: an argument has the wrong type or dtype.
        ValueError: wrong shapes, indices out of range, an unsorted ``batch``, edges between graphs, or an option
            outside its range.

    Host syncs: one or two for the checks, then a few in each round.

    Example:
        >>> from graphpool import grid_graph
        >>> tokens = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat_interleave(8, 0)  # two halves of a 4 x 4 grid
        >>> tree = agglomerate(tokens, grid_graph(4, 4))
        >>> tree.cut(ratio=0.125).view(4, 4)
        tensor([[0, 0, 0, 0],
                [0, 0, 0, 0],
                [1, 1, 1, 1],
                [1, 1, 1, 1]])
    """
    graph = check_graph(x, edge_index, None, batch, batch_size)
    check_choice("linkage", linkage, LINKAGES)
    check_choice("center", center, CENTERS)
    grouping = Grouping(None, None, max_area=max_area)
    grouping.check()
    with torch.no_grad():
        tokens = unit_tokens(x, Layout.of(graph.batch, graph.num_graphs), center)
        return merge_tree_of(
            graph.edge_index, tokens, graph.batch, graph.num_graphs, linkage=linkage, grouping=grouping
        )


def merge_tree_of(
    edge_index: Tensor,
    sums: Tensor,
    batch: Tensor,
    num_graphs: int,
    *,
    area: Tensor | None = None,
    linkage: str = "average",
    grouping: Grouping | None = None,
) -> Dendrogram:
    """Builds the tree of checked arguments, whose nodes may be groups of tokens already.

    Args:
        edge_index: edges, ``[2, num_edges]``, int64.
        sums: sum of the unit tokens of each node.
        batch: graph of each node.
        num_graphs: number of graphs.
        area: number of tokens of each node; one if not given.
        linkage: one of ``LINKAGES``.
        grouping: what limits the largest area.
    """
    tokens = sums if area is None else sums / area.unsqueeze(1)
    merges = mutual_merges(
        edge_index,
        dot_on_edges(tokens, edge_index),
        batch,
        lambda _, candidates: torch.ones_like(candidates.height, dtype=torch.bool),
        linkage=linkage,
        sums=sums,
        area=area,
        most_area=None if grouping is None else grouping.most_area(batch, num_graphs, area),
    )
    merges = merges.take(merges.height.argsort(descending=True, stable=True))
    assert merges.area is not None  # counted by mutual_merges
    return Dendrogram(merges.ends, _children(merges.ends, batch.numel()), merges.height, merges.area, batch, num_graphs)


def _children(ends: Tensor, num_nodes: int) -> Tensor:
    """Names the groups that merge: of all merges before, the last that made a group with the same first node."""
    count = ends.size(1)
    place = torch.arange(count, device=ends.device)
    made, merge = (ends[0] * count + place).sort()
    before = torch.searchsorted(made, (ends * count + place).flatten()) - 1
    last = merge.index_select(0, before.clamp(min=0)) if count else before
    same = (before >= 0) & (ends[0].index_select(0, last) == ends.flatten())
    return torch.where(same, last + num_nodes, ends.flatten()).view(2, count)
