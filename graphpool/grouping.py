r"""Which nodes a threshold joins, with Eq. 3 evaluated only where it decides.

Only the partition matters, so most edges need no L1 distance of affinity rows:

- :math:`S^s \le 1`, so an edge with :math:`\omega_f S^f + \omega_s \le \tau` is out.
- :math:`1 - S^s`, a mean of absolute values, is at most the root of the mean square, :math:`\lVert r_i - r_j \rVert /
  \sqrt n`, which one product gives for all pairs; and that is at most :math:`\lVert m_i - m_j \rVert`, m the mean
  tokens of the two ends, which needs no affinity at all. An edge for which such a bound is enough is in.
- An edge between nodes that are joined already decides nothing.

What is left is evaluated, most promising edges first, dropping those that became joined meanwhile. The partition is
that of evaluating every edge, where no score lies within 1e-5 of the threshold.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from graphpool.components import hook_and_contract
from graphpool.precision import full_precision
from graphpool.similarity import distance_on_edges, dot_on_edges
from graphpool.state import AffinityState

_MARGIN = 1e-5  # of rounding, for the bound that lets edges in
_SLACK = 1e-5  # of rounding in a squared distance that is a difference of products
_FEWEST = 1024  # edges worth a round of their own on CPU
_PRODUCT_SPEED = 30  # how many products of rows take the time of one L1 distance
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
    edges, score = edge_index.index_select(1, kept), score.index_select(0, kept)
    # at the start of a hierarchy x are the tokens themselves
    inner = score if state.sums is x else dot_on_edges(state.mean, edges)
    length = state.mean.square().sum(1)[edges].sum(0)
    groups = _join_sure(groups, edges, score, length - 2 * inner, rule)
    return _join_rest(groups, edges, score, state, rule)


def group_pairs(x: Tensor, state: AffinityState, rule: Rule) -> Groups:
    """The same for all pairs of supernodes inside each graph, a block of rows at a time."""
    layout, groups = state.layout, _each_alone(state)
    padded = layout.pad(x)
    rows = None if rule.spatial_weight == 0 else layout.pad(state.mean_rows())
    step = max(1, _BLOCK_PAIRS.get(x.device.type, 2**26) // max(1, layout.num_graphs * layout.largest))
    with full_precision(x.device):
        for start in range(0, layout.largest, step):
            block = slice(start, start + step)
            score = torch.bmm(padded[:, block], padded.transpose(1, 2))
            may = (rule.total(score, 1) > rule.threshold).triu(start + 1) & layout.valid.unsqueeze(1)
            graph, first, second = may.nonzero().unbind(1)
            pairs = layout.ptr.index_select(0, graph) + torch.stack([first + start, second])
            kept = groups.apart(pairs)
            pairs, graph, first, second = (index[..., kept] for index in (pairs, graph, first, second))
            chosen = score[graph, first, second]
            if rows is None:
                groups = groups.join(pairs, chosen > rule.threshold)
                continue
            if _PRODUCT_SPEED * chosen.numel() > score.numel():
                inner = torch.bmm(rows[:, block], rows.transpose(1, 2))[graph, first, second]
                length = rows.square().sum(2).flatten()[torch.stack([first + start, second]) + graph * layout.largest]
                mean_square = (length.sum(0) - 2 * inner) / state.columns_of.index_select(0, pairs[0])
                groups = _join_sure(groups, pairs, chosen, mean_square, rule)
            groups = _join_rest(groups, pairs, chosen, state, rule)
    return groups


def _each_alone(state: AffinityState) -> Groups:
    num_nodes = state.layout.num_nodes
    return Groups(torch.arange(num_nodes, device=state.sums.device), num_nodes)


def _join_sure(groups: Groups, edges: Tensor, score: Tensor, squared: Tensor, rule: Rule) -> Groups:
    """Joins what a bound on Eq. 3 lets in: ``squared`` is the square of the most that 1 - S^s can be."""
    least = 1 - (squared.clamp(min=0) + _SLACK).sqrt()
    return groups.join(edges, rule.total(score, least) > rule.threshold + _MARGIN)


def _join_rest(groups: Groups, edges: Tensor, score: Tensor, state: AffinityState, rule: Rule) -> Groups:
    """Joins what Eq. 3 itself lets in, as long as there are edges between different groups."""
    kept = groups.apart(edges)
    kept = kept.index_select(0, score.index_select(0, kept).argsort(descending=True, stable=True))
    if not kept.numel():
        return groups
    edges, score = edges.index_select(1, kept), score.index_select(0, kept)
    rows, columns, inner_edges = _touched_rows(state, edges)
    while score.numel():
        step = score.numel() if score.is_cuda else max(_FEWEST, score.numel() // 2)
        ends = inner_edges[:, :step]
        spatial = 1 - distance_on_edges(rows, ends) / columns.index_select(0, ends[0])
        groups = groups.join(edges[:, :step], rule.total(score[:step], spatial) > rule.threshold)
        kept = step + groups.apart(edges[:, step:])
        edges, score, inner_edges = edges[:, kept], score[kept], inner_edges[:, kept]
    return groups


def _touched_rows(state: AffinityState, edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What Eq. 3 needs: mean affinity rows of the supernodes touched, their numbers of columns, the edges in them."""
    touched = torch.zeros(state.layout.num_nodes, dtype=torch.bool, device=edges.device)
    touched.index_fill_(0, edges.flatten(), True)
    index = touched.nonzero().view(-1)
    if 2 * index.numel() > state.layout.num_nodes:  # the whole symmetric product costs about half
        return state.mean_rows(), state.columns_of, edges
    part = state.take(index)
    return part.mean_rows(), part.columns_of, touched.cumsum(0).sub_(1)[edges]
