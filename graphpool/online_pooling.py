"""OnlineAgglomerativePooling: the whole hierarchy of a batch of graphs in one call (Algorithm 1)."""

import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from graphpool.affinity_state import CENTERS, AffinityState, unit_tokens
from graphpool.batch_layout import Layout
from graphpool.checks import check_choice, check_count, check_graph, check_number, check_tensor, describe
from graphpool.edge_contraction import sort_ends, unique_edges
from graphpool.hierarchy import Hierarchy, Level
from graphpool.partition import Partition
from graphpool.precision import widen
from graphpool.segment_reduce import add_rows, count_rows
from graphpool.threshold_grouping import MergeRule, group_edges, group_pairs
from graphpool.vote import LOGITS

FEATURES = ("vote", "mean")


class OnlineAgglomerativePooling(nn.Module):
    r"""Segments a token graph at several levels, without labels, learning or eigenvectors.

    Algorithm 1 of *Online Agglomerative Pooling for Scalable Self-Supervised Universal Segmentation*. Each layer
    scores the edges by Eq. 4, :math:`\omega_f S^f + (1 - \omega_f) S^s`, contracts the connected components of those
    above its threshold (instance pooling), then does the same on the complete graph of what is left (semantic
    pooling). The instance result is the input of the next layer, whose threshold is lower.

    All graphs of a batch go through in one call, and affinity is taken inside each graph only. No gradients: this
    makes pseudo-masks. Use :class:`AgglomerativePool` in a network that learns.

    Args:
        thresholds: thresholds of the layers, in (-1, 1].
        feature_weight: :math:`\omega_f` in [0, 1]; :math:`\omega_s = 1 - \omega_f`. With 1 no affinity is ever built.
        temperature: the paper's :math:`\sigma` of Eq. 6, positive.
        min_area: the paper's :math:`\phi`: supernodes with fewer tokens are not segments.
        semantic: whether to make the semantic levels.
        semantic_thresholds: thresholds of the semantic levels, if not those of the layers.
        features: features that supernodes are compared by: ``"vote"`` (Eq. 6) or ``"mean"`` (the average of their
            tokens, which the paper's Figure 4 compares with).
        logits: ``"sum"`` (Eq. 6 to the letter) or ``"mean"`` (divided by the area).
        center: ``"none"``, or ``"graph"`` to subtract each graph's mean token before normalising, for grouping only.
            Backbones whose tokens are all alike (DINOv2) need it.
        anchors: number of evenly spaced tokens of each graph that affinity is taken to, instead of all. An
            approximation, for graphs whose number of nodes squared does not fit.
        repeat: whether every layer, instance and semantic, contracts and scores again at its threshold until no edge is
            above it: supernodes have other features than what they were merged from, so that one round leaves edges
            that are.
        inclusive: whether an edge at the threshold is contracted too: :math:`\ge` instead of :math:`>`.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument outside its range.

    Example:
        >>> from graphpool import grid_graph
        >>> tokens = torch.eye(2).repeat_interleave(8, 0)  # two plain halves of a 4 x 4 grid
        >>> hierarchy = OnlineAgglomerativePooling(thresholds=(0.8, 0.4))(tokens, grid_graph(4, 4))
        >>> hierarchy.levels[0].instance.masks((4, 4)).int()
        tensor([[[1, 1, 1, 1],
                 [1, 1, 1, 1],
                 [0, 0, 0, 0],
                 [0, 0, 0, 0]],
        <BLANKLINE>
                [[0, 0, 0, 0],
                 [0, 0, 0, 0],
                 [1, 1, 1, 1],
                 [1, 1, 1, 1]]], dtype=torch.int32)
    """

    def __init__(
        self,
        thresholds: Sequence[float] = (0.8, 0.7, 0.6, 0.5, 0.4),
        feature_weight: float = 0.6,
        temperature: float = 0.07,
        min_area: int = 5,
        semantic: bool = True,
        *,
        semantic_thresholds: Sequence[float] | None = None,
        features: str = "vote",
        logits: str = "sum",
        center: str = "none",
        anchors: int | None = None,
        repeat: bool = False,
        inclusive: bool = False,
    ) -> None:
        super().__init__()
        self.thresholds = _check_thresholds("thresholds", thresholds)
        semantic_thresholds = thresholds if semantic_thresholds is None else semantic_thresholds
        self.semantic_thresholds = _check_thresholds("semantic_thresholds", semantic_thresholds)
        if len(self.semantic_thresholds) != len(self.thresholds):
            raise ValueError(
                f"'semantic_thresholds' must have {len(self.thresholds)} values, one for each of 'thresholds', "
                f"got {len(self.semantic_thresholds)}"
            )
        self.feature_weight = check_number("feature_weight", feature_weight, 0, 1)
        self.temperature = check_number("temperature", temperature, 0, float("inf"), open_low=True)
        self.min_area = check_count("min_area", min_area, 1)
        self.semantic = semantic
        check_choice("features", features, FEATURES)
        check_choice("logits", logits, LOGITS)
        check_choice("center", center, CENTERS)
        self.features, self.logits, self.center = features, logits, center
        self.anchors = None if anchors is None else check_count("anchors", anchors, 1)
        self.repeat, self.inclusive = repeat, inclusive

    @torch.compiler.disable  # shapes follow from the data: one clean graph break instead of many
    @torch.no_grad()
    def forward(
        self,
        x: Float[Tensor, "tokens channels"],
        edge_index: Int[Tensor, "2 edges"],
        batch: Int[Tensor, " tokens"] | None = None,
        *,
        values: Float[Tensor, "tokens values"] | None = None,
        batch_size: int | None = None,
    ) -> Hierarchy:
        """Pools a batch of token graphs.

        Args:
            x: token features, ``[num_tokens, channels]``, floating point; normalised here.
            edge_index: edges between adjacent tokens, ``[2, num_edges]``, int32 or int64; directions and repetitions
                do not matter.
            batch: graph of each token, sorted, ``[num_tokens]``, int32 or int64; ``None`` for one graph.
            values: features that Eq. 6 averages for the returned ``x``, ``[num_tokens, value_channels]``, floating
                point; the normalised, uncentred tokens if not given. Grouping does not depend on them.
            batch_size: number of graphs, if the last ones have no tokens.

        Returns:
            :class:`Hierarchy` with one :class:`Level` for each threshold.

        Raises:
            TypeError: an argument has the wrong type or dtype.
            ValueError: wrong shapes, indices out of range, an unsorted ``batch``, edges between graphs, or affinity
                that does not fit in memory.

        Warns:
            UserWarning: everything merged in the first layer.

        Host syncs: one or two for the checks, then a fixed number a layer (with ``repeat``, each time that it is
        contracted) plus one for each round of components.
        """
        graph = check_graph(x, edge_index, None, batch, batch_size)
        if values is not None:
            check_tensor("values", values, dims=2, rows=(x.size(0), "tokens"))
        layout = Layout.of(graph.batch, graph.num_graphs)
        tokens = unit_tokens(x, layout, self.center)
        if values is None and self.center != "none":
            values = F.normalize(widen(x), dim=1)
        channels = tokens.size(1)
        # Eq. 6 averages the tokens, by which supernodes are compared, and beside them the values, which are returned
        sources = tokens if values is None else torch.cat([tokens, widen(values)], dim=1)
        state = AffinityState.start(tokens, layout, values=sources, anchors=self.anchors)
        # for means: sums of the values over each supernode; the state has those of the tokens
        value_sums = None if values is None or self.features == "vote" else widen(values)
        edges = _undirected(graph.edge_index, x.size(0))
        features: Tensor | None = None
        levels = []
        for threshold, semantic_threshold in zip(self.thresholds, self.semantic_thresholds, strict=True):
            rule = MergeRule(threshold, self.feature_weight, self.inclusive)
            while True:
                compared = tokens if features is None else features[:, :channels]
                cluster, count = group_edges(compared, state, edges, rule)
                if features is None:
                    self._warn_if_all_merged(count, layout)
                elif self.repeat and count == compared.size(0):
                    break
                features, value_sums, state = self._merge(features, value_sums, state, cluster, count)
                edges = _undirected(cluster[edges], count)
                if not self.repeat:
                    break
            instance = self._partition(features, channels, state, layout, x.dtype)
            semantic = None
            if self.semantic:
                rule = MergeRule(semantic_threshold, self.feature_weight, self.inclusive)
                merged, merged_sums, merged_state = features, value_sums, state
                while True:
                    cluster, count = group_pairs(merged[:, :channels], merged_state, rule)
                    if self.repeat and count == merged.size(0):
                        break
                    merged, merged_sums, merged_state = self._merge(merged, merged_sums, merged_state, cluster, count)
                    if not self.repeat:
                        break
                semantic = self._partition(merged, channels, merged_state, layout, x.dtype)
            levels.append(Level(threshold, instance, semantic))
        return Hierarchy(tuple(levels), graph.batch)

    def _merge(
        self, features: Tensor | None, value_sums: Tensor | None, state: AffinityState, cluster: Tensor, count: int
    ) -> tuple[Tensor, Tensor | None, AffinityState]:
        """Merges supernodes into clusters; returns features, sums of values and state of the clusters.

        A cluster of one supernode keeps its features; they are not computed again.
        """
        merged = state.merge(cluster, count)
        value_sums = None if value_sums is None else add_rows(value_sums, cluster, count)
        changed = torch.arange(count, device=cluster.device)
        if features is not None:
            changed = (count_rows(cluster, count) > 1).nonzero().view(-1)
            kept = features.new_empty(count, features.size(1)).index_copy_(0, cluster, features)
        if self.features == "vote":
            voters = merged if changed.numel() == count else merged.take(changed)
            new = voters.vote(self.temperature, self.logits)
        else:
            sums = merged.sums if value_sums is None else torch.cat([merged.sums, value_sums], dim=1)
            new = sums.index_select(0, changed)  # means but for their length, which is normalised away
        channels = state.sums.size(1)
        new_tokens, new_values = new.split([channels, new.size(1) - channels], dim=1)
        new = torch.cat([F.normalize(new_tokens, dim=1), F.normalize(new_values, dim=1)], dim=1)
        return (new if features is None else kept.index_copy_(0, changed, new)), value_sums, merged

    def _partition(
        self, features: Tensor, channels: int, state: AffinityState, layout: Layout, dtype: torch.dtype
    ) -> Partition:
        returned = features[:, channels:] if features.size(1) > channels else features
        keep = state.area >= self.min_area
        return Partition(state.cluster, returned.to(dtype), state.area, state.layout.batch, keep, layout.sizes)

    def _warn_if_all_merged(self, count: int, layout: Layout) -> None:
        filled = sum(size > 0 for size in layout.sizes)
        if self.center == "none" and count == filled < layout.num_nodes:
            warnings.warn(
                "every graph merged into one supernode in the first layer: the tokens are too alike for these "
                "thresholds; center='graph' subtracts what all tokens of a graph share",
                UserWarning,
                stacklevel=3,
            )

    def extra_repr(self) -> str:
        return (
            f"thresholds={self.thresholds}, feature_weight={self.feature_weight}, temperature={self.temperature}, "
            f"min_area={self.min_area}, semantic={self.semantic}, features={self.features!r}, center={self.center!r}"
        )


def _check_thresholds(name: str, thresholds: Sequence[float]) -> tuple[float, ...]:
    if not isinstance(thresholds, Sequence) or not thresholds:
        raise TypeError(f"'{name}' must be a non-empty sequence of numbers, got {describe(thresholds)}")
    return tuple(check_number(name, threshold, -1, 1, open_low=True) for threshold in thresholds)


def _undirected(edge_index: Tensor, num_nodes: int) -> Tensor:
    """Reduces edges to the pairs of different nodes that they join, smaller node first, each once."""
    ordered = sort_ends(edge_index)
    different = (ordered[0] != ordered[1]).nonzero().view(-1)
    return unique_edges(ordered.index_select(1, different), num_nodes, return_inverse=False)[0]
