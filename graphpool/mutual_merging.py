r"""Merges of mutual best neighbours: agglomeration without chaining, and with a largest area.

Two groups merge if each is the other's best neighbour. All such pairs merge at once, edges between the same two groups
become one, and so on. If the edges that become one keep the *mean* of their scores, that is average linkage on a graph.
If they keep the *best*, it is single linkage, whose only reason to be here is ``max_area``: without it the maximum
spanning forest finds the same in fewer rounds.

Neither mean nor maximum of two scores exceeds the larger one. So a merge never makes a better pair than there was, and
merging mutual best pairs in any order gives what merging the best pair of all, one at a time, gives.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from graphpool.edge_contraction import sort_ends, unique_edges
from graphpool.segment_reduce import add_rows
from graphpool.spanning_forest import EdgeKeys, best_of_nodes


class Merges(NamedTuple):
    """Merges of two groups each.

    Attributes:
        ends: the first node of each of the two groups, ``[2, M]``.
        height: score at which they merge, ``[M]``; no merge is higher than those that made its groups.
    """

    ends: Tensor
    height: Tensor

    def take(self, index: Tensor) -> "Merges":
        """Selects some of the merges."""
        return Merges(self.ends.index_select(1, index), self.height.index_select(0, index))


class _Groups(NamedTuple):
    """The groups so far, numbered by their first nodes."""

    first: Tensor  # first node
    graph: Tensor
    area: Tensor
    height: Tensor  # score of the last merge; infinite for single nodes

    def merge(self, pairs: Tensor, height: Tensor) -> tuple["_Groups", Tensor]:
        """Merges pairs of groups, the earlier first, ``[2, M]``; returns the new group of each group as well."""
        low, other = pairs
        nodes = torch.arange(self.first.numel(), device=low.device)
        into = nodes.index_copy(0, other, low)
        root = into == nodes
        merged = self._replace(
            area=self.area.index_add(0, low, self.area.index_select(0, other)),
            height=self.height.index_copy(0, low, height),
        )
        kept = root.nonzero().view(-1)
        return _Groups(*(rows.index_select(0, kept) for rows in merged)), root.cumsum(0).sub_(1).index_select(0, into)


class _Borders(NamedTuple):
    """Pairs of neighbouring groups, and the scores of the edges between them: sum and number, or the best and one."""

    ends: Tensor
    score: Tensor
    weight: Tensor

    @property
    def value(self) -> Tensor:
        return self.score / self.weight

    def take(self, index: Tensor) -> "_Borders":
        """Selects some of the borders."""
        return _Borders(*(rows.index_select(-1, index) for rows in self))


def mutual_merges(
    edge_index: Tensor,
    score: Tensor,
    batch: Tensor,
    allow: Callable[[Merges, Merges], Tensor],
    *,
    average: bool = True,
    area: Tensor | None = None,
    most_area: Tensor | None = None,
) -> Merges:
    """Merges mutual best neighbours, as long as merges are allowed.

    Args:
        edge_index: edges, ``[2, num_edges]``, int64; directions do not matter.
        score: score of each edge.
        batch: graph of each node.
        allow: says which merges of a round are made, given all that were made before and those of the round.
        average: whether a border of several edges has their mean score, or the best.
        area: number of tokens of each node; one if not given.
        most_area: largest area of a group of each graph, ``[num_graphs]``; no limit if not given.

    Host syncs: a few in each round.
    """
    nodes = torch.arange(batch.numel(), device=score.device)
    usable = ((edge_index[0] != edge_index[1]) & ~score.isnan()).nonzero().view(-1)
    ends, score = sort_ends(edge_index.index_select(1, usable)), score.index_select(0, usable)
    borders = _join(_Borders(ends, score, torch.ones_like(score)), batch.numel(), average)
    area = torch.ones_like(batch) if area is None else area
    groups = _Groups(nodes, batch, area, score.new_full((batch.numel(),), torch.inf))
    merges = Merges(nodes.new_zeros(2, 0), score[:0])
    while borders.score.numel():
        if most_area is not None:
            together = groups.area[borders.ends].sum(0)
            fits = together <= most_area.index_select(0, groups.graph.index_select(0, borders.ends[0]))
            borders = borders.take(fits.nonzero().view(-1))  # for good: areas only grow
        key = EdgeKeys.of(borders.value).key
        best = best_of_nodes(key, borders.ends[0], borders.ends[1], groups.first.numel())
        mutual = borders.take((best[borders.ends] == key).all(0).nonzero().view(-1))
        # the minimum is the value, but for rounding
        candidates = Merges(groups.first[mutual.ends], torch.minimum(mutual.value, groups.height[mutual.ends].amin(0)))
        chosen = allow(merges, candidates).nonzero().view(-1)
        if not chosen.numel():
            break
        merges = Merges(*(torch.cat(rows, -1) for rows in zip(merges, candidates.take(chosen), strict=True)))
        groups, coarse = groups.merge(mutual.ends.index_select(1, chosen), candidates.height.index_select(0, chosen))
        borders = _join(borders._replace(ends=sort_ends(coarse[borders.ends])), groups.first.numel(), average)
    return merges


def _join(borders: _Borders, num_groups: int, average: bool) -> _Borders:
    """Joins the borders between the same two groups, and drops those inside one."""
    ends, score, weight = borders.take((borders.ends[0] != borders.ends[1]).nonzero().view(-1))
    ends, border = unique_edges(ends, num_groups, return_inverse=True)
    assert border is not None  # asked for
    count = ends.size(1)
    if average:
        return _Borders(ends, add_rows(score, border, count), add_rows(weight, border, count))
    best = score.new_full((count,), -torch.inf).scatter_reduce_(0, border, score, "amax")
    return _Borders(ends, best, torch.ones_like(best))
