"""Which nodes a layer groups: a threshold or a share of the nodes, by components or by mutual best neighbours."""

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from graphpool.checks import check_choice, check_number
from graphpool.components import hook_and_contract
from graphpool.mutual_merging import Merges, mutual_merges
from graphpool.precision import widen
from graphpool.segment_reduce import count_rows
from graphpool.spanning_forest import spanning_edges

GROUPS = ("components", "mutual")
FEW_NODES = 16  # in a graph: so few may well all merge, or none
_ROUNDING = 1e-6  # of a node, for shares that are whole numbers of nodes but for rounding


class Grouped(NamedTuple):
    """Group of each node, numbered by first nodes; number of groups; and threshold of each graph."""

    cluster: Tensor
    num_groups: int
    threshold: Tensor


@dataclass(frozen=True)
class Grouping:
    """Groups nodes by the scores of their edges.

    Attributes:
        threshold: edges with larger scores are contracted; ``None`` with a ratio.
        ratio: largest share of the nodes of each graph that may be left; ``None`` with a threshold.
        group: ``"components"`` of the edges above the threshold, or ``"mutual"`` best neighbours.
        max_area: largest share of the tokens of its graph that a group may have; ``None`` for no limit.
    """

    threshold: float | None
    ratio: float | None = None
    group: str = "components"
    max_area: float | None = None

    def check(self) -> None:
        """Raises unless every attribute is in its range, and a threshold is given or a ratio but not both."""
        if self.ratio is not None:
            if self.threshold is not None:
                raise ValueError(f"'threshold' must be None with a 'ratio', got {self.threshold} and {self.ratio}")
            check_number("ratio", self.ratio, 0, 1, open_low=True)
        elif self.threshold is not None:
            check_number("threshold", self.threshold, -math.inf, math.inf)
        check_choice("group", self.group, GROUPS)
        if self.max_area is not None:
            check_number("max_area", self.max_area, 0, 1, open_low=True)

    @property
    def is_plain(self) -> bool:
        """Whether all that matters of a score is whether it is above the threshold."""
        return self.ratio is None and self.group == "components" and self.max_area is None

    def __str__(self) -> str:
        given = {"threshold": self.threshold, "ratio": self.ratio, "max_area": self.max_area}
        shown = [f"{name}={value}" for name, value in given.items() if value is not None]
        return ", ".join([*shown, *([] if self.group == "components" else [f"group={self.group!r}"])])

    def __call__(
        self,
        edge_index: Tensor,
        score: Tensor,
        batch: Tensor,
        num_graphs: int,
        *,
        area: Tensor | None = None,
        share_of: Tensor | None = None,
    ) -> Grouped:
        """Groups the nodes.

        Args:
            edge_index: edges, ``[2, num_edges]``, int64.
            score: score of each edge, ``[num_edges]``.
            batch: graph of each node, ``[num_nodes]``.
            num_graphs: number of graphs.
            area: number of tokens of each node; one if not given.
            share_of: number of nodes of each graph that ``ratio`` is a share of; its nodes if not given.
        """
        score = widen(score.detach())
        if self.ratio is None:
            assert self.threshold is not None  # one of the two is given
            rule: _Rule = _Above(score.new_full((num_graphs,), self.threshold), batch)
        else:
            needed = needed_merges(batch, num_graphs, self.ratio, share_of)
            rule = (_BestFirst if self.group == "components" else _InRounds)(needed, batch)
        if self.group == "components" and self.max_area is None:
            if self.threshold is not None:
                kept = (score > self.threshold).nonzero().view(-1)
            else:
                kept = spanning_edges(edge_index, score, batch.numel())
            merges = Merges(edge_index, score).take(kept)
        else:
            merges = mutual_merges(
                edge_index,
                score,
                batch,
                rule.allow,
                linkage="single" if self.group == "components" else "edges",
                area=area,
                most_area=self.most_area(batch, num_graphs, area),
            )
        made, threshold = rule.result(merges)
        return Grouped(*hook_and_contract(made.ends, batch.numel()), threshold)

    def most_area(self, batch: Tensor, num_graphs: int, area: Tensor | None) -> Tensor | None:
        """Returns the largest area of a group of each graph, ``[num_graphs]``; ``None`` where there is no limit."""
        if self.max_area is None:
            return None
        area = torch.ones_like(batch) if area is None else area
        return batch.new_zeros(num_graphs).index_add_(0, batch, area) * self.max_area + _ROUNDING


def needed_merges(batch: Tensor, num_graphs: int, ratio: float, share_of: Tensor | None = None) -> Tensor:
    """Counts the merges of each graph that leave at most a share of its nodes, or of what else is counted."""
    nodes = count_rows(batch, num_graphs)
    left = ((nodes if share_of is None else share_of) * ratio + _ROUNDING).long().clamp(min=1)
    return (nodes - left).clamp(min=0)


class _Rule(Protocol):
    """Says which merges are made."""

    def allow(self, made: Merges, candidates: Merges) -> Tensor:
        """Returns which candidates of a round are to be made after those that were made."""
        ...

    def result(self, merges: Merges) -> tuple[Merges, Tensor]:
        """Returns which of all merges count in the end, and the threshold of each graph."""
        ...


class _Above(NamedTuple):
    """Makes the merges above the threshold of their graph."""

    threshold: Tensor
    batch: Tensor

    def allow(self, made: Merges, candidates: Merges) -> Tensor:
        graph = self.batch.index_select(0, candidates.ends[0])
        return candidates.height > self.threshold.index_select(0, graph)

    def result(self, merges: Merges) -> tuple[Merges, Tensor]:
        return merges, self.threshold


class _BestFirst(NamedTuple):
    """Makes as many merges in each graph as are needed, the highest first; of equal ones the first."""

    needed: Tensor
    batch: Tensor

    def allow(self, made: Merges, candidates: Merges) -> Tensor:
        # once enough merges are made, lower ones cannot be among the highest
        order, place = ranks_in_graphs(made.height, self._graph(made), self.needed.numel())
        decisive = made.take(order[place == (self.needed - 1).index_select(0, self._graph(made.take(order)))])
        enough = candidates.height.new_full((self.needed.numel(),), -torch.inf)
        enough = enough.index_copy(0, self._graph(decisive), decisive.height).masked_fill(self.needed == 0, torch.inf)
        return candidates.height > enough.index_select(0, self._graph(candidates))

    def result(self, merges: Merges) -> tuple[Merges, Tensor]:
        order, place = ranks_in_graphs(merges.height, self._graph(merges), self.needed.numel())
        ranked = merges.take(order)
        best = ranked.take((place < self.needed.index_select(0, self._graph(ranked))).nonzero().view(-1))
        return best, _just_below(best, self._graph(best), self.needed.numel())

    def _graph(self, merges: Merges) -> Tensor:
        return self.batch.index_select(0, merges.ends[0])


class _InRounds(NamedTuple):
    """Makes all merges of a round, until as many as are needed in each graph are made: of the last round the best."""

    needed: Tensor
    batch: Tensor

    def allow(self, made: Merges, candidates: Merges) -> Tensor:
        before = count_rows(self.batch.index_select(0, made.ends[0]), self.needed.numel())
        graph = self.batch.index_select(0, candidates.ends[0])
        order, place = ranks_in_graphs(candidates.height, graph, self.needed.numel())
        allowed = place < (self.needed - before).index_select(0, graph.index_select(0, order))
        return torch.empty_like(allowed).index_copy_(0, order, allowed)

    def result(self, merges: Merges) -> tuple[Merges, Tensor]:
        graph = self.batch.index_select(0, merges.ends[0])
        return merges, _just_below(merges, graph, self.needed.numel())


def _just_below(merges: Merges, graph: Tensor, num_graphs: int) -> Tensor:
    """Finds the largest threshold of each graph that lies below all its merges; infinity where there are none."""
    lowest = merges.height.new_full((num_graphs,), torch.inf).scatter_reduce_(0, graph, merges.height, "amin")
    just_below = torch.nextafter(lowest, torch.full_like(lowest, -torch.inf))
    return torch.where(lowest < torch.inf, just_below, lowest)


def ranks_in_graphs(height: Tensor, graph: Tensor, num_graphs: int) -> tuple[Tensor, Tensor]:
    """Ranks merges by falling height inside each graph.

    Returns:
        The order of the merges by graph and rank, and the rank of each in this order, from zero.
    """
    order = height.argsort(descending=True, stable=True)
    order = order.index_select(0, graph.index_select(0, order).argsort(stable=True))
    counts = count_rows(graph, num_graphs)
    start = (counts.cumsum(0) - counts).index_select(0, graph.index_select(0, order))
    return order, torch.arange(order.numel(), device=order.device) - start
