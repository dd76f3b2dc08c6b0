r"""Which nodes a threshold joins, with Eq. 3 evaluated only where it decides.

Only the partition matters, so most edges need no L1 distance of affinity rows:

- :math:`S^s \le 1`, so an edge with :math:`\omega_f S^f + \omega_s \le \tau` is out.
- Second moments of the tokens bound :math:`S^s` from both sides (:mod:`graphpool.bounds`). An edge for which the lower
  bound is enough is in, one for which the upper bound is not enough is out.
- An edge between nodes that are joined already decides nothing.

What is left is evaluated, most promising edges first, dropping those that became joined meanwhile. The partition is
that of evaluating every edge, where no score lies within 1e-5 of the threshold.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from graphpool.bounds import Form, MeanSquare, Range
from graphpool.components import hook_and_contract
from graphpool.layout import Layout
from graphpool.precision import full_precision
from graphpool.similarity import dot_on_edges
from graphpool.spatial import distances_among
from graphpool.state import AffinityState

_MARGIN = 1e-5  # of rounding, for the bounds
_FEWEST = {"cpu": 256, "cuda": 4096}  # edges worth a round of their own
_PRODUCT_SPEED = 30  # how many products of rows take the time of one product on an edge
_BLOCK_PAIRS = {"cpu": 2**19, "cuda": 2**26}  # looked at side by side


class Rule(NamedTuple):
    """An edge is contracted if ``feature_weight * S^f + (1 - feature_weight) * S^s > threshold``."""

    threshold: float
    feature_weight: float

    @property
    def spatial_weight(self) -> float:
        return 1 - self.feature_weight

    def total(self, feature: Tensor, spatial: Tensor | float) -> Tensor:
        """Eq. 4."""
        return self.feature_weight * feature + self.spatial_weight * spatial


class Pairs(NamedTuple):
    """Pairs of supernodes, ``[2, E]``, and their S^f, ``[E]``."""

    edges: Tensor
    score: Tensor

    def take(self, kept: Tensor | slice) -> "Pairs":
        """Some of them."""
        return Pairs(self.edges[:, kept], self.score[kept])


class Groups(NamedTuple):
    """A partition of the supernodes so far: group of each, ``[K]``, and how many there are."""

    label: Tensor
    num_groups: int

    def join(self, edges: Tensor, chosen: Tensor) -> "Groups":
        """After contracting the chosen ones of some edges."""
        index = chosen.nonzero().view(-1)
        finer, num_groups = hook_and_contract(self.label[edges.index_select(1, index)], self.num_groups)
        return Groups(finer.index_select(0, self.label), num_groups)

    def apart(self, edges: Tensor) -> Tensor:
        """Which edges join different groups, as indices."""
        first, second = self.label[edges]
        return (first != second).nonzero().view(-1)


def group_edges(x: Tensor, state: AffinityState, edge_index: Tensor, rule: Rule) -> Groups:
    """Components of the given edges that the rule contracts; ``x`` are the unit features of the supernodes."""
    groups = _each_alone(state)
    score = dot_on_edges(x, edge_index)
    if rule.spatial_weight == 0:
        return groups.join(edge_index, score > rule.threshold)
    kept = (rule.total(score, 1) > rule.threshold).nonzero().view(-1)
    pairs = Pairs(edge_index.index_select(1, kept), score.index_select(0, kept))
    # at the start of a hierarchy x are the tokens themselves
    squared = 2 - 2 * pairs.score if state.sums is x else Form.length(state).on_edges(pairs.edges)
    groups, left = _decide(groups, pairs, Range.by_length(squared), rule)
    pairs, squared = pairs.take(left), squared.index_select(0, left)
    if pairs.score.numel() and state.columns.worth_moments:
        looked_up = partial(Form.on_edges, edges=pairs.edges)
        groups, left = _decide(groups, pairs, MeanSquare.of(state).range(looked_up, pairs.edges[0], squared), rule)
        pairs = pairs.take(left)
    return _evaluate(groups, pairs, state, rule)


def group_pairs(x: Tensor, state: AffinityState, rule: Rule) -> Groups:
    """The same for all pairs of supernodes inside each graph, a block of rows at a time."""
    layout, groups = state.layout, _each_alone(state)
    padded = layout.pad(x)
    length, mean_square = Form.length(state), None if rule.spatial_weight == 0 else MeanSquare.of(state)
    step = max(1, _BLOCK_PAIRS.get(x.device.type, 2**26) // max(1, layout.num_graphs * layout.largest))
    with full_precision(x.device):
        for start in range(0, layout.largest, step):
            block = slice(start, start + step)
            score = torch.bmm(padded[:, block], padded.transpose(1, 2))
            may = (rule.total(score, 1) > rule.threshold).triu(start + 1) & layout.valid.unsqueeze(1)
            place = may.nonzero().unbind(1)
            graph, first, second = place
            edges = layout.ptr.index_select(0, graph) + torch.stack([first + start, second])
            pairs = Pairs(edges, score[place])
            if mean_square is None:
                groups = groups.join(edges, pairs.score > rule.threshold)
                continue
            if _PRODUCT_SPEED * pairs.score.numel() > score.numel():
                looked_up = partial(_of_block, layout=layout, block=block, place=place)
            else:
                looked_up = partial(Form.on_edges, edges=edges)
            distance = mean_square.range(looked_up, edges[0], looked_up(length))
            groups, left = _decide(groups, pairs, distance, rule)
            groups = _evaluate(groups, pairs.take(left), state, rule)
    return groups


def _of_block(form: Form, layout: Layout, block: slice, place: tuple[Tensor, ...]) -> Tensor:
    """Some places of a block of a form."""
    return form.of_block(layout, block)[place]


def _each_alone(state: AffinityState) -> Groups:
    num_nodes = state.layout.num_nodes
    return Groups(torch.arange(num_nodes, device=state.sums.device), num_nodes)


def _decide(groups: Groups, pairs: Pairs, distance: Range, rule: Rule) -> tuple[Groups, Tensor]:
    """Joins what bounds on Eq. 3 let in; which pairs it has to be evaluated for, as indices."""
    groups = groups.join(pairs.edges, rule.total(pairs.score, 1 - distance.most) > rule.threshold + _MARGIN)
    kept = groups.apart(pairs.edges)
    best = rule.total(pairs.score[kept], 1 - distance.least[kept])
    return groups, kept[best > rule.threshold - _MARGIN]


def _evaluate(groups: Groups, pairs: Pairs, state: AffinityState, rule: Rule) -> Groups:
    """Joins what Eq. 3 itself lets in, as long as there are pairs of different groups."""
    if not pairs.score.numel():
        return groups
    pairs = pairs.take(pairs.score.argsort(descending=True, stable=True))
    fewest = _FEWEST.get(pairs.score.device.type, _FEWEST["cuda"])
    distance_of, is_cheap = distances_among(state, pairs.edges)
    while pairs.score.numel():
        step = max(fewest, pairs.score.numel() // 2) if is_cheap else fewest
        first, pairs = pairs.take(slice(step)), pairs.take(slice(step, None))
        groups = groups.join(first.edges, rule.total(first.score, 1 - distance_of(first.edges)) > rule.threshold)
        pairs = pairs.take(groups.apart(pairs.edges))
    return groups
