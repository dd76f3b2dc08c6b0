r"""Merges of mutual best neighbours: agglomeration without chaining, and with a largest area.

Two groups merge if each is the other's best neighbour. All such pairs merge at once, the borders of what merged become
one, and so on. How alike two groups are is a matter of the linkage:

- ``"single"``: the best score of the edges between them. Its only reason to be here is a largest area: without one the
  maximum spanning forest finds the same in fewer rounds.
- ``"edges"``: the mean score of the edges between them.
- ``"average"``: the mean similarity of all pairs of their tokens, which is the inner product of their mean tokens.
- ``"balanced"``: one minus the dissimilarity times the fourth root of :math:`ab / (a + b)`, a and b their areas, so
  that small groups merge first (in Ward's criterion it is the factor itself). The dissimilarity is one minus the mean
  of the cosine of their mean tokens and the mean score of the edges between them.

Of the first two no merge makes a better pair than there was: neither mean nor maximum of two scores exceeds the larger
one. So merging all mutual best pairs gives what merging the best pair of all, one at a time, gives.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from graphpool.edge_contraction import sort_ends, unique_edges
from graphpool.segment_reduce import add_rows
from graphpool.similarity import dot_on_edges
from graphpool.spanning_forest import EdgeKeys, best_of_nodes


class Merges(NamedTuple):
    """Merges of two groups each, those that made a group before those of the group.

    Attributes:
        ends: the first node of each of the two groups, ``[2, M]``.
        height: score at which they merge, ``[M]``; no merge is higher than those that made its groups.
        area: number of tokens of what they make, ``[M]``; ``None`` where nobody counted.
    """

    ends: Tensor
    height: Tensor
    area: Tensor | None = None

    def take(self, index: Tensor) -> "Merges":
        """Selects some of the merges."""
        area = None if self.area is None else self.area.index_select(0, index)
        return Merges(self.ends.index_select(1, index), self.height.index_select(0, index), area)

    def then(self, others: "Merges") -> "Merges":
        """Appends merges."""
        area = None if self.area is None or others.area is None else torch.cat([self.area, others.area])
        return Merges(torch.cat([self.ends, others.ends], 1), torch.cat([self.height, others.height]), area)


class _Groups(NamedTuple):
    """The groups so far, numbered by their first nodes."""

    first: Tensor  # first node
    graph: Tensor
    area: Tensor
    height: Tensor  # score of the last merge; infinite for single nodes
    sums: Tensor | None  # of the tokens, for average linkage

    def merge(self, pairs: Tensor, height: Tensor) -> tuple["_Groups", Tensor]:
        """Merges pairs of groups, the earlier first, ``[2, M]``; returns the new group of each group as well."""
        low, other = pairs
        nodes = torch.arange(self.first.numel(), device=low.device)
        into = nodes.index_copy(0, other, low)
        root = into == nodes
        kept = root.nonzero().view(-1)
        sums = None
        if self.sums is not None:  # each group takes part in one merge at most, so nothing is added twice
            sums = self.sums.index_add(0, low, self.sums.index_select(0, other)).index_select(0, kept)
        area = self.area.index_add(0, low, self.area.index_select(0, other))
        last = self.height.index_copy(0, low, height)
        first, graph, area, last = (rows.index_select(0, kept) for rows in (self.first, self.graph, area, last))
        return _Groups(first, graph, area, last, sums), root.cumsum(0).sub_(1).index_select(0, into)


class _Borders(NamedTuple):
    """Pairs of neighbouring groups, with the sum and the number of the scores between them, or the best and one."""

    ends: Tensor
    score: Tensor
    weight: Tensor

    def take(self, index: Tensor) -> "_Borders":
        """Selects some of the borders."""
        return _Borders(*(rows.index_select(-1, index) for rows in self))

    def likeness(self, groups: _Groups, linkage: str) -> Tensor:
        """Computes how alike the groups at both sides of each border are."""
        if groups.sums is None:
            return self.score / self.weight
        if linkage == "average":
            return dot_on_edges(groups.sums / groups.area.unsqueeze(1), self.ends)
        cosine = dot_on_edges(F.normalize(groups.sums, dim=1), self.ends)
        first, second = groups.area[self.ends].to(cosine.dtype)
        return 1 - (1 - (cosine + self.score / self.weight) / 2) * (first * second / (first + second)) ** 0.25


def mutual_merges(
    edge_index: Tensor,
    score: Tensor,
    batch: Tensor,
    allow: Callable[[Merges, Merges], Tensor],
    *,
    linkage: str = "edges",
    sums: Tensor | None = None,
    area: Tensor | None = None,
    most_area: Tensor | None = None,
) -> Merges:
    """Merges mutual best neighbours, as long as merges are allowed.

    Args:
        edge_index: edges, ``[2, num_edges]``, int64; directions do not matter.
        score: score of each edge.
        batch: graph of each node.
        allow: says which merges of a round are made, given all that were made before and those of the round.
        linkage: how alike groups are, see above.
        sums: sum of the unit tokens of each node, ``[num_nodes, channels]``, for average and balanced linkage.
        area: number of tokens of each node; one if not given.
        most_area: largest area of a group of each graph, ``[num_graphs]``; no limit if not given.

    Host syncs: a few in each round.
    """
    best = linkage == "single"
    nodes = torch.arange(batch.numel(), device=score.device)
    usable = ((edge_index[0] != edge_index[1]) & ~score.isnan()).nonzero().view(-1)
    ends, score = sort_ends(edge_index.index_select(1, usable)), score.index_select(0, usable)
    borders = _join(_Borders(ends, score, torch.ones_like(score)), batch.numel(), best)
    area = torch.ones_like(batch) if area is None else area
    groups = _Groups(nodes, batch, area, score.new_full((batch.numel(),), torch.inf), sums)
    merges = Merges(nodes.new_zeros(2, 0), score[:0], area[:0])
    while borders.score.numel():
        if most_area is not None:
            together = groups.area[borders.ends].sum(0)
            fits = together <= most_area.index_select(0, groups.graph.index_select(0, borders.ends[0]))
            borders = borders.take(fits.nonzero().view(-1))  # for good: areas only grow
        likeness = borders.likeness(groups, linkage)
        key = EdgeKeys.of(likeness).key
        preferred = best_of_nodes(key, borders.ends[0], borders.ends[1], groups.first.numel())
        mutual = (preferred[borders.ends] == key).all(0).nonzero().view(-1)
        pairs = borders.ends.index_select(1, mutual)
        height = torch.minimum(likeness.index_select(0, mutual), groups.height[pairs].amin(0))
        candidates = Merges(groups.first[pairs], height, groups.area[pairs].sum(0))
        chosen = allow(merges, candidates).nonzero().view(-1)
        if not chosen.numel():
            break
        merges = merges.then(candidates.take(chosen))
        groups, coarse = groups.merge(pairs.index_select(1, chosen), height.index_select(0, chosen))
        borders = _join(borders._replace(ends=sort_ends(coarse[borders.ends])), groups.first.numel(), best)
    return merges


def _join(borders: _Borders, num_groups: int, best: bool) -> _Borders:
    """Joins the borders between the same two groups, and drops those inside one."""
    ends, score, weight = borders.take((borders.ends[0] != borders.ends[1]).nonzero().view(-1))
    ends, border = unique_edges(ends, num_groups, return_inverse=True)
    assert border is not None  # asked for
    count = ends.size(1)
    if not best:
        return _Borders(ends, add_rows(score, border, count), add_rows(weight, border, count))
    largest = score.new_full((count,), -torch.inf).scatter_reduce_(0, border, score, "amax")
    return _Borders(ends, largest, torch.ones_like(largest))
