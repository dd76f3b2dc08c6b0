"""AgglomerativePool: one layer of Online Agglomerative Pooling, for any GNN."""

import math
import warnings

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from graphpool.affinity_state import CENTERS, AffinityState, unit_tokens
from graphpool.batch_layout import Layout
from graphpool.checks import Graph, check_choice, check_count, check_graph, check_number, check_tensor, describe
from graphpool.edge_contraction import REDUCTIONS, coarsen, sort_ends, unique_edges
from graphpool.grouping import FEW_NODES, Grouped, Grouping
from graphpool.pooled import Pooled
from graphpool.precision import widen
from graphpool.segment_reduce import add_rows, average_rows, take_rows
from graphpool.similarity import dot_on_edges, pair_scores
from graphpool.vote import LOGITS

FEATURES = ("vote", "mean", "sum")


class AgglomerativePool(nn.Module):
    r"""Merges the connected components of the edges whose score is above a threshold.

    One layer of Online Agglomerative Pooling, with the call of PyG's ``TopKPooling`` and ``SAGPooling``:
    ``x, edge_index, edge_attr, batch, *_ = pool(x, edge_index, edge_attr, batch)``. No node is thrown away. The
    threshold is given, or found for each graph such that a ``ratio`` of its nodes is left.

    The score of an edge is the paper's Eq. 4, :math:`S = \omega_f S^f + (1 - \omega_f) S^s`: the cosine of its ends
    (Eq. 2) and one minus the mean absolute difference of their affinity to all tokens of the graph (Eq. 3). Called on
    its own, a layer takes its input nodes as the tokens. Called with the ``state`` that the layer before it returned,
    it takes Eq. 2 from the ``x`` it is given, and Eqs. 3 and 6 from the original tokens.

    **Gradients** reach ``x`` through the features of the supernodes: through the tokens for ``"vote"``, through ``x``
    for ``"mean"`` and ``"sum"``. Comparing with a threshold has none, so with the paper's score nothing tells the
    network what to merge. With a learned ``score``, supernodes are multiplied by the mean score of the edges contracted
    in them (as in EdgePooling), and gradients reach the scores that way.

    Args:
        threshold: edges with a larger score are contracted; 0.8 if neither it nor a ratio is given.
        feature_weight: :math:`\omega_f` in [0, 1]. With 1 no affinity is ever built, which is what large graphs want.
        temperature: the paper's :math:`\sigma` of Eq. 6, positive.
        ratio: largest share of the nodes of each graph that is left, in (0, 1], in place of a threshold: rounded down,
            but at least one node. With components that is the largest threshold that leaves no more; of edges whose
            scores are equal to the last one, the first are contracted. Where edges do not reach that far, all are.
        group: ``"components"`` contracts all edges above the threshold, and chains of them merge whole regions.
            ``"mutual"`` merges nodes that are each other's best neighbours, repeatedly, with the mean score of all
            edges between what merged: until no score is above the threshold, or the ratio is left. Groups then are of
            more even size.
        max_area: a merge that would make a group of more than this share of its graph's tokens is not made; of its
            nodes, where there is no ``state``. ``None`` for no limit. With components it takes many rounds.
        features: features of the supernodes: ``"vote"`` (Eq. 6: unit vectors), ``"mean"`` or ``"sum"`` of the given
            ``x``. ``None`` is ``"vote"`` where there is affinity to vote with, and ``"mean"`` with ``feature_weight=1``
            or a learned ``score``. For graph classification ``"sum"`` did best: it keeps count of what merged.
        score: module that scores edges in place of Eq. 4, called as ``score(x, edge_index, edge_attr, batch)``, such
            as :class:`LinearEdgeScore`.
        center: ``"none"``, or ``"graph"`` to subtract each graph's mean row before normalising, for grouping only. Use
            it after a ReLU, where all cosines are positive; a threshold of 0.5 then is a good start.
        logits: ``"sum"`` (Eq. 6 to the letter) or ``"mean"`` (divided by the area).
        anchors: number of evenly spaced tokens of each graph that affinity is taken to, instead of all. An
            approximation, for graphs whose number of nodes squared does not fit.
        edge_reduce: how attributes of merged edges become one: ``"sum"``, ``"mean"``, ``"max"`` or ``"min"``.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument outside its range.

    Example:
        >>> from graphpool import grid_graph
        >>> pool = AgglomerativePool(threshold=0.9, features="sum")
        >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
        >>> x, edge_index, edge_attr, batch, *_ = pool(x, grid_graph(2, 2))
        >>> x
        tensor([[2.0000, 0.1000],
                [0.1000, 2.0000]])
    """

    def __init__(
        self,
        threshold: float | None = None,
        feature_weight: float = 0.6,
        temperature: float = 0.07,
        *,
        ratio: float | None = None,
        group: str = "components",
        max_area: float | None = None,
        features: str | None = None,
        score: nn.Module | None = None,
        center: str = "none",
        logits: str = "sum",
        anchors: int | None = None,
        edge_reduce: str = "sum",
    ) -> None:
        super().__init__()
        self.threshold = 0.8 if threshold is None and ratio is None else threshold
        self.ratio, self.group, self.max_area = ratio, group, max_area
        self.grouping.check()
        self.feature_weight = check_number("feature_weight", feature_weight, 0, 1)
        self.temperature = check_number("temperature", temperature, 0, math.inf, open_low=True)
        if features is None:
            features = "vote" if self.feature_weight < 1 and score is None else "mean"
        if score is not None and not isinstance(score, nn.Module):
            raise TypeError(f"'score' must be a torch.nn.Module, got {describe(score)}")
        check_choice("features", features, FEATURES)
        check_choice("center", center, CENTERS)
        check_choice("logits", logits, LOGITS)
        check_choice("edge_reduce", edge_reduce, REDUCTIONS)
        self.features, self.center, self.logits, self.edge_reduce = features, center, logits, edge_reduce
        self.score = score
        self.anchors = None if anchors is None else check_count("anchors", anchors, 1)

    @torch.compiler.disable  # shapes follow from the data: one clean graph break instead of many
    def forward(
        self,
        x: Float[Tensor, "nodes channels"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Shaped[Tensor, "edges *attributes"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
        *,
        state: AffinityState | None = None,
        batch_size: int | None = None,
    ) -> Pooled:
        """Pools a graph or a batch of graphs.

        Args:
            x: node features, ``[num_nodes, channels]``, floating point.
            edge_index: edges, ``[2, num_edges]``, int32 or int64; either direction joins a component.
            edge_attr: attributes of the edges, ``[num_edges, *]``, integer or floating point.
            batch: graph of each node, sorted, ``[num_nodes]``, int32 or int64; ``None`` for one graph.
            state: state that the layer before returned, to go on with its hierarchy.
            batch_size: number of graphs, if the last ones have no nodes.

        Returns:
            :class:`Pooled`. Its ``state`` is ``None`` if nothing in this layer needs the original tokens.

        Raises:
            TypeError: an argument has the wrong type or dtype.
            ValueError: wrong shapes, indices out of range, an unsorted ``batch``, edges between graphs, a ``state``
                of other nodes, or affinity that does not fit in memory.

        Warns:
            UserWarning: the threshold merged every graph into one node, or merged nothing, and graphs have more than
                16 nodes on average.

        Host syncs: one or two for the checks, a few for sizes, one for each round of components.
        """
        graph = check_graph(x, edge_index, edge_attr, batch, batch_size)
        if self._uses_tokens:
            state = self._initial_state(x, Layout.of(graph.batch, graph.num_graphs)) if state is None else state
            check_tensor("state", state.area, kind="integer", rows=(x.size(0), "nodes of 'x'"))
        else:
            state = None
        score = self._score_edges(graph, state)
        area = None if state is None else state.area
        grouped = self.grouping(graph.edge_index, score, graph.batch, graph.num_graphs, area=area)
        cluster, count = grouped.cluster, grouped.num_groups
        self._warn_if_useless(graph, count)
        state = None if state is None else state.merge(cluster, count)
        pooled = self._reduce_features(x, cluster, count, state)
        if self.score is not None:
            contracted = self._contracted(graph, score, grouped)
            gate = _mean_contracted_score(score, contracted, graph.edge_index, cluster, count)
            pooled = pooled * gate.unsqueeze(1).to(pooled.dtype)
        coarse, coarse_attr = coarsen(cluster, graph.edge_index, edge_attr, count, self.edge_reduce)
        pooled_batch = graph.batch.new_zeros(count).index_copy_(0, cluster, graph.batch)
        return Pooled(pooled, coarse, coarse_attr, pooled_batch, cluster, score, state, grouped.threshold)

    def _contracted(self, graph: Graph, score: Tensor, grouped: Grouped) -> Tensor:
        """Finds the edges that were contracted: those inside groups, of components those above the threshold."""
        first, second = graph.edge_index
        contracted = grouped.cluster.index_select(0, first) == grouped.cluster.index_select(0, second)
        if self.group == "components":
            contracted &= score > grouped.threshold.index_select(0, graph.batch.index_select(0, first))
        return contracted.nonzero().view(-1)

    def _warn_if_useless(self, graph: Graph, count: int) -> None:
        num_nodes, num_edges = graph.x.size(0), graph.edge_index.size(1)
        if self.ratio is not None or num_nodes <= FEW_NODES * graph.num_graphs or not num_edges:
            return
        if count == num_nodes:
            did, where = "merged nothing", "no score is"
        elif count <= graph.num_graphs:
            did, where = "merged every graph into one node", "their scores are"
        else:
            return
        warnings.warn(
            f"AgglomerativePool {did}: {where} above the threshold of {self.threshold}. 'ratio' asks for a share of "
            "the nodes instead; center='graph' subtracts what all nodes of a graph share, as after a ReLU",
            UserWarning,
            stacklevel=3,
        )

    @property
    def grouping(self) -> Grouping:
        """How nodes are grouped."""
        return Grouping(self.threshold, self.ratio, self.group, self.max_area)

    @property
    def _uses_tokens(self) -> bool:
        """Whether Eq. 3 or Eq. 6 is computed."""
        return self.features == "vote" or (self.score is None and self.feature_weight < 1)

    def _initial_state(self, x: Tensor, layout: Layout) -> AffinityState:
        tokens = unit_tokens(x, layout, self.center)
        values = tokens if self.center == "none" else F.normalize(widen(x), dim=1)
        return AffinityState.start(tokens, layout, values=values, anchors=self.anchors)

    def _score_edges(self, graph: Graph, state: AffinityState | None) -> Tensor:
        x, edge_index = graph.x, graph.edge_index
        if self.score is not None:
            score = self.score(x, edge_index, graph.edge_attr, graph.batch)
            check_tensor("score", score, dims=1, rows=(edge_index.size(1), "edges"))
            return score
        with torch.no_grad():
            layout = state.layout if state is not None else Layout.of(graph.batch, graph.num_graphs)
            unit = unit_tokens(x, layout, self.center)
            if state is None or self.feature_weight == 1:
                return dot_on_edges(unit, edge_index).to(x.dtype)
            # both directions of an edge score the same, and Eq. 3 is what costs
            pairs, pair_of_edge = unique_edges(sort_ends(edge_index), x.size(0), return_inverse=True)
            assert pair_of_edge is not None  # asked for
            score = pair_scores(unit, state, pairs, self.feature_weight)
            return score.index_select(0, pair_of_edge).to(x.dtype)

    def _reduce_features(self, x: Tensor, cluster: Tensor, count: int, state: AffinityState | None) -> Tensor:
        if self.features == "vote":
            assert state is not None  # by _uses_tokens
            return F.normalize(state.vote(self.temperature, self.logits), dim=1).to(x.dtype)
        return (add_rows if self.features == "sum" else average_rows)(x, cluster, count)

    def extra_repr(self) -> str:
        return (
            f"{self.grouping}, feature_weight={self.feature_weight}, features={self.features!r}, center={self.center!r}"
        )


def _mean_contracted_score(
    score: Tensor, contracted: Tensor, edge_index: Tensor, cluster: Tensor, count: int
) -> Tensor:
    """Averages the scores of the edges contracted in each supernode; one where there are none."""
    supernode = cluster.index_select(0, edge_index[0].index_select(0, contracted))
    mean = average_rows(take_rows(score, contracted), supernode, count)
    alone = torch.ones(count, dtype=torch.bool, device=score.device).index_fill_(0, supernode, False)
    return torch.where(alone, torch.ones_like(mean), mean)
