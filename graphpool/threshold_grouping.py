r"""Which nodes a threshold on Eq. 4 joins, with Eq. 3 computed only where it decides.

Only the partition matters, so most edges need no L1 distance of affinity rows:

- :math:`S^s \le 1`, so an edge with :math:`\omega_f S^f + \omega_s < \tau` is out.
- Second moments of the tokens bound :math:`S^s` from both sides (:mod:`graphpool.spatial_bounds`). An edge whose
  lower bound is above the threshold is in, one whose upper bound is not is out.
- An edge between nodes that are joined already decides nothing.

For the edges that are left Eq. 3 is computed, most promising edges first, dropping those that became joined meanwhile.
The partition is that of computing it for every edge, where no score lies within 1e-5 of the threshold.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from graphpool.affinity_state import AffinityState
from graphpool.batch_layout import Layout
from graphpool.components import hook_and_contract
from graphpool.precision import full_precision
from graphpool.similarity import distance_function, dot_on_edges
from graphpool.spatial_bounds import DistanceBounds, MeanSquare, QuadraticForm, squared_length

_MARGIN = 1e-5  # of rounding, for the bounds
_MIN_EDGES = {"cpu": 256, "cuda": 4096}  # worth a round of their own
_PRODUCT_SPEED = 30  # products of rows in the time of one product on an edge
_BLOCK_PAIRS = {"cpu": 2**19, "cuda": 2**26}  # pairs scored at once


class MergeRule(NamedTuple):
    """Contracts an edge if ``feature_weight * S^f + (1 - feature_weight) * S^s > threshold``; inclusive: ``>=``."""

    threshold: float
    feature_weight: float
    inclusive: bool = False

    @property
    def spatial_weight(self) -> float:
        return 1 - self.feature_weight

    def score(self, feature: Tensor, spatial: Tensor | float) -> Tensor:
        """Computes Eq. 4."""
        return self.feature_weight * feature + self.spatial_weight * spatial

    def contracts(self, score: Tensor) -> Tensor:
        """Says which scores contract their edge."""
        return score >= self.threshold if self.inclusive else score > self.threshold

    def surely_contracts(self, lowest: Tensor) -> Tensor:
        """Says which edges are in, by lower bounds on their scores."""
        return lowest > self.threshold + _MARGIN

    def may_contract(self, highest: Tensor) -> Tensor:
        """Says which edges are not out, by upper bounds on their scores; those at the threshold are not."""
        return highest > self.threshold - _MARGIN


class Pairs(NamedTuple):
    """Pairs of supernodes, ``[2, num_pairs]``, and their feature similarity S^f, ``[num_pairs]``."""

    edges: Tensor
    similarity: Tensor

    def take(self, kept: Tensor | slice) -> "Pairs":
        """Selects some of the pairs."""
        return Pairs(self.edges[:, kept], self.similarity[kept])


class Groups(NamedTuple):
    """The partition of the supernodes so far: group of each, ``[K]``, and number of groups."""

    label: Tensor
    num_groups: int

    @classmethod
    def of_singles(cls, state: AffinityState) -> "Groups":
        """Starts with every supernode alone."""
        num_nodes = state.layout.num_nodes
        return cls(torch.arange(num_nodes, device=state.sums.device), num_nodes)

    def join(self, edges: Tensor, contracted: Tensor) -> "Groups":
        """Joins the groups at both ends of the edges for which ``contracted`` is true."""
        index = contracted.nonzero().view(-1)
        coarser, num_groups = hook_and_contract(self.label[edges.index_select(1, index)], self.num_groups)
        return Groups(coarser.index_select(0, self.label), num_groups)

    def between(self, edges: Tensor) -> Tensor:
        """Returns the indices of the edges that still join different groups."""
        first, second = self.label[edges]
        return (first != second).nonzero().view(-1)


def group_edges(x: Tensor, state: AffinityState, edge_index: Tensor, rule: MergeRule) -> Groups:
    """Finds the connected components of the edges that the rule contracts.

    Args:
        x: unit features of the supernodes, ``[K, channels]``.
        state: the tokens of the supernodes.
        edge_index: edges between supernodes, ``[2, num_edges]``.
        rule: threshold and weights of the scores.
    """
    groups = Groups.of_singles(state)
    similarity = dot_on_edges(x, edge_index)
    if rule.spatial_weight == 0:
        return groups.join(edge_index, rule.contracts(similarity))
    kept = rule.may_contract(rule.score(similarity, 1)).nonzero().view(-1)
    pairs = Pairs(edge_index.index_select(1, kept), similarity.index_select(0, kept))
    # at the start of a hierarchy x are the tokens themselves
    squared = 2 - 2 * pairs.similarity if state.sums is x else squared_length(state).on_edges(pairs.edges)
    groups, undecided = _decide_by_bounds(groups, pairs, DistanceBounds.by_length(squared), rule)
    pairs, squared = pairs.take(undecided), squared.index_select(0, undecided)
    if pairs.similarity.numel() and state.columns.moments_are_small:
        evaluate = partial(QuadraticForm.on_edges, edges=pairs.edges)
        bounds = MeanSquare.of(state).bounds(evaluate, pairs.edges[0], squared)
        groups, undecided = _decide_by_bounds(groups, pairs, bounds, rule)
        pairs = pairs.take(undecided)
    return _decide_by_distances(groups, pairs, state, rule)


def group_pairs(x: Tensor, state: AffinityState, rule: MergeRule) -> Groups:
    """Does what :func:`group_edges` does for all pairs of supernodes inside each graph, a block of rows at a time."""
    layout, groups = state.layout, Groups.of_singles(state)
    padded = layout.pad(x)
    length, mean_square = squared_length(state), None if rule.spatial_weight == 0 else MeanSquare.of(state)
    step = max(1, _BLOCK_PAIRS.get(x.device.type, 2**26) // max(1, layout.num_graphs * layout.largest))
    with full_precision(x.device):
        for start in range(0, layout.largest, step):
            block = slice(start, start + step)
            similarity = torch.bmm(padded[:, block], padded.transpose(1, 2))
            possible = rule.may_contract(rule.score(similarity, 1))
            place = (possible.triu(start + 1) & layout.padded_mask.unsqueeze(1)).nonzero().unbind(1)
            graph, first, second = place
            edges = layout.ptr.index_select(0, graph) + torch.stack([first + start, second])
            pairs = Pairs(edges, similarity[place])
            if mean_square is None:
                groups = groups.join(edges, rule.contracts(pairs.similarity))
                continue
            if _PRODUCT_SPEED * pairs.similarity.numel() > similarity.numel():
                evaluate = partial(_at_places, layout=layout, block=block, place=place)
            else:
                evaluate = partial(QuadraticForm.on_edges, edges=edges)
            bounds = mean_square.bounds(evaluate, edges[0], evaluate(length))
            groups, undecided = _decide_by_bounds(groups, pairs, bounds, rule)
            groups = _decide_by_distances(groups, pairs.take(undecided), state, rule)
    return groups


def _at_places(form: QuadraticForm, layout: Layout, block: slice, place: tuple[Tensor, ...]) -> Tensor:
    return form.on_block(layout, block)[place]


def _decide_by_bounds(groups: Groups, pairs: Pairs, bounds: DistanceBounds, rule: MergeRule) -> tuple[Groups, Tensor]:
    """Joins the pairs that bounds on Eq. 3 let in; returns the indices of those that they do not decide as well."""
    groups = groups.join(pairs.edges, rule.surely_contracts(rule.score(pairs.similarity, 1 - bounds.upper)))
    kept = groups.between(pairs.edges)
    return groups, kept[rule.may_contract(rule.score(pairs.similarity[kept], 1 - bounds.lower[kept]))]


def _decide_by_distances(groups: Groups, pairs: Pairs, state: AffinityState, rule: MergeRule) -> Groups:
    """Joins the pairs that Eq. 3 itself lets in, as long as there are pairs of different groups."""
    if not pairs.similarity.numel():
        return groups
    pairs = pairs.take(pairs.similarity.argsort(descending=True, stable=True))
    min_edges = _MIN_EDGES.get(pairs.similarity.device.type, _MIN_EDGES["cuda"])
    distance_of, has_rows = distance_function(state, pairs.edges)
    while pairs.similarity.numel():
        step = max(min_edges, pairs.similarity.numel() // 2) if has_rows else min_edges
        first, pairs = pairs.take(slice(step)), pairs.take(slice(step, None))
        score = rule.score(first.similarity, 1 - distance_of(first.edges))
        groups = groups.join(first.edges, rule.contracts(score))
        pairs = pairs.take(groups.between(pairs.edges))
    return groups
