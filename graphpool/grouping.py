r"""Which nodes a threshold joins, with Eq. 3 evaluated only where it decides.

Only the partition matters, so most edges need no affinity row at all:

- :math:`S^s \le 1`, so an edge with :math:`\omega_f S^f + \omega_s \le \tau` is out.
- For unit tokens :math:`|(m_i - m_j) F_k^\top| \le \lVert m_i - m_j \rVert`, with m the mean tokens of the two
  ends, so :math:`S^s \ge 1 - \lVert m_i - m_j \rVert`, and an edge for which that is enough is in.
- An edge between nodes that are joined already decides nothing.

What is left is evaluated, most promising edges first, dropping those that became joined meanwhile. The partition is
that of evaluating every edge, where no score lies within 1e-5 of the threshold.
"""

import torch
from torch import Tensor

from graphpool.components import hook_and_contract
from graphpool.precision import full_precision
from graphpool.similarity import distance_on_edges, dot_on_edges
from graphpool.state import AffinityState

_MARGIN = 1e-5  # of rounding, for the bound that lets edges in
_SLACK = 1e-5  # of rounding in a squared distance that is a difference of products
_FEWEST = 1024  # edges worth a round of their own on CPU


def group_edges(
    x: Tensor, state: AffinityState, edge_index: Tensor, threshold: float, feature_weight: float
) -> tuple[Tensor, int]:
    """Components of the given edges whose Eq. 4 score is above the threshold: ``(cluster [K], count)``."""
    score = dot_on_edges(x, edge_index)
    if feature_weight == 1:
        return _components_above(edge_index, score, threshold, x.size(0))
    kept = (feature_weight * score + (1 - feature_weight) > threshold).nonzero().view(-1)
    edge_index, score = edge_index.index_select(1, kept), score.index_select(0, kept)
    # at the start of a hierarchy x are the tokens themselves
    inner = score if state.sums is x else dot_on_edges(state.mean, edge_index)
    return _join(edge_index, score, inner, state, threshold, feature_weight)


def group_pairs(x: Tensor, state: AffinityState, threshold: float, feature_weight: float) -> tuple[Tensor, int]:
    """The same for all pairs of supernodes inside each graph."""
    layout = state.layout
    with full_precision(x.device):
        padded = layout.pad(x)
        score = torch.bmm(padded, padded.transpose(1, 2))
        may = feature_weight * score + (1 - feature_weight) > threshold
        graph, first, second = (may.triu(1) & layout.valid.unsqueeze(1)).nonzero().unbind(1)
        score = score[graph, first, second]
        start = layout.ptr.index_select(0, graph)
        pairs = torch.stack([start + first, start + second])
        if feature_weight == 1:
            return _components_above(pairs, score, threshold, x.size(0))
        padded = layout.pad(state.mean)
        inner = torch.bmm(padded, padded.transpose(1, 2))[graph, first, second]
    return _join(pairs, score, inner, state, threshold, feature_weight)


def _components_above(edges: Tensor, score: Tensor, threshold: float, num_nodes: int) -> tuple[Tensor, int]:
    above = (score > threshold).nonzero().view(-1)
    return hook_and_contract(edges.index_select(1, above), num_nodes)


def _join(
    edges: Tensor, score: Tensor, inner: Tensor, state: AffinityState, threshold: float, feature_weight: float
) -> tuple[Tensor, int]:
    """Components of those edges whose score is above the threshold. ``inner`` are products of mean tokens."""
    spatial_weight = 1 - feature_weight
    length = state.mean.square().sum(1)
    squared = length.index_select(0, edges[0]) + length.index_select(0, edges[1]) - 2 * inner
    sure = feature_weight * score + spatial_weight * (1 - (squared.clamp(min=0) + _SLACK).sqrt())
    label, count = _components_above(edges, sure, threshold + _MARGIN, state.layout.num_nodes)
    order = score.argsort(descending=True, stable=True)
    edges, score = edges.index_select(1, order), score.index_select(0, order)
    edges, score, ends = _apart(edges, score, label)
    if not score.numel():
        return label, count
    rows, columns, edges = _touched_rows(state, edges)
    while score.numel():
        step = score.numel() if score.is_cuda else max(_FEWEST, score.numel() // 2)
        spatial = 1 - distance_on_edges(rows, edges[:, :step]) / columns.index_select(0, edges[0, :step])
        total = feature_weight * score[:step] + spatial_weight * spatial
        finer, count = _components_above(ends[:, :step], total, threshold, count)
        label = finer.index_select(0, label)
        edges, score, ends = _apart(edges[:, step:], score[step:], finer, ends[:, step:])
    return label, count


def _apart(edges: Tensor, score: Tensor, label: Tensor, ends: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The edges whose ends carry different labels, their scores, and those labels."""
    ends = label[edges if ends is None else ends]
    kept = (ends[0] != ends[1]).nonzero().view(-1)
    return edges.index_select(1, kept), score.index_select(0, kept), ends.index_select(1, kept)


def _touched_rows(state: AffinityState, edges: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What Eq. 3 needs: mean affinity rows of the supernodes touched, their numbers of columns, the edges in them."""
    touched = torch.zeros(state.layout.num_nodes, dtype=torch.bool, device=edges.device)
    touched.index_fill_(0, edges.flatten(), True)
    index = touched.nonzero().view(-1)
    if 2 * index.numel() > state.layout.num_nodes:  # the whole symmetric product costs about half
        return state.mean_rows(), state.columns_of, edges
    part = state.take(index)
    return part.mean_rows(), part.columns_of, touched.cumsum(0).sub_(1)[edges]
