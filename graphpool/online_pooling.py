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
from graphpool.grouping import FEW_NODES, Grouping
from graphpool.hierarchy import Hierarchy, Level
from graphpool.partition import Partition
from graphpool.precision import widen
from graphpool.regular_graphs import pairs_of_graphs
from graphpool.similarity import pair_scores
from graphpool.supernodes import Averaging, Supernodes
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
        thresholds: thresholds of the layers, in (-1, 1]; (0.8, 0.7, 0.6, 0.5, 0.4) if no ratios are given either.
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
        ratios: levels as shares, in place of thresholds: the largest share of the *tokens* of each graph that each
            layer leaves, in (0, 1], by the largest threshold that leaves no more (see :class:`AgglomerativePool`).
            They hold for tokens of any backbone, whatever its similarities.
        semantic_ratios: the largest share of the *instance supernodes* of its layer that each semantic level leaves, if
            not the ratios.
        group: ``"components"`` or ``"mutual"`` best neighbours, see :class:`AgglomerativePool`.
        max_area: largest share of the tokens of its graph that a merge may make, see :class:`AgglomerativePool`;
            ``None`` for no limit.
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
        thresholds: Sequence[float] | None = None,
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
        ratios: Sequence[float] | None = None,
        semantic_ratios: Sequence[float] | None = None,
        group: str = "components",
        max_area: float | None = None,
        repeat: bool = False,
        inclusive: bool = False,
    ) -> None:
        super().__init__()
        if ratios is None and thresholds is None:
            thresholds = (0.8, 0.7, 0.6, 0.5, 0.4)
        self.thresholds, self.semantic_thresholds = _levels(
            "thresholds", thresholds, "semantic_thresholds", semantic_thresholds, low=-1
        )
        self.ratios, self.semantic_ratios = _levels("ratios", ratios, "semantic_ratios", semantic_ratios, low=0)
        if self.thresholds is not None and self.ratios is not None:
            raise ValueError(f"'thresholds' must be None with 'ratios', got {self.thresholds} and {self.ratios}")
        self.group, self.max_area = group, max_area
        grouping = Grouping(None if self.thresholds is None else 0.0, None, group, max_area)
        grouping.check()
        if (repeat or inclusive) and not (grouping.is_plain and self.thresholds is not None):
            raise ValueError(
                "'repeat' and 'inclusive' must be False with ratios, mutual best neighbours or a largest area, "
                f"got {repeat} and {inclusive}"
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
            UserWarning: everything merged in the first layer of thresholds, or nothing in any and graphs have more
                than 16 tokens on average.

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
        # Eq. 6 averages the tokens, by which supernodes are compared, and beside them the values, which are returned
        sources = tokens if values is None else torch.cat([tokens, widen(values)], dim=1)
        state = AffinityState.start(tokens, layout, values=sources, anchors=self.anchors)
        # for means: sums of the values over each supernode; the state has those of the tokens
        value_sums = None if values is None or self.features == "vote" else widen(values)
        edges: Tensor | None = _undirected(graph.edge_index, x.size(0))
        pooled = Supernodes(None, value_sums, state, Averaging(self.features, self.temperature, self.logits))
        levels: list[Level] = []
        num_tokens = layout.ptr.diff()
        for rule, semantic_rule in self._rules():
            pooled, edges, threshold = self._contract(pooled, edges, rule, num_tokens)
            if not levels:
                self._warn_if_all_merged(pooled.state.area.numel(), layout)
            instance = pooled.partition(self.min_area, layout, x.dtype)
            semantic, semantic_threshold = None, None
            if self.semantic:
                merged, _, semantic_threshold = self._contract(pooled, None, semantic_rule)
                semantic = merged.partition(self.min_area, layout, x.dtype)
            levels.append(Level(threshold, instance, semantic, semantic_threshold))
        self._warn_if_nothing_merged(levels[-1].instance, graph.edge_index.size(1))
        return Hierarchy(tuple(levels), graph.batch)

    def _rules(self) -> list[tuple[Grouping, Grouping]]:
        """How each layer groups: for the instance level, and for the semantic level."""
        options = self.group, self.max_area
        if self.ratios is not None and self.semantic_ratios is not None:
            shares = zip(self.ratios, self.semantic_ratios, strict=True)
            return [(Grouping(None, ratio, *options), Grouping(None, semantic, *options)) for ratio, semantic in shares]
        assert self.thresholds is not None  # one of the two is given
        assert self.semantic_thresholds is not None
        levels = zip(self.thresholds, self.semantic_thresholds, strict=True)
        return [(Grouping(level, None, *options), Grouping(semantic, None, *options)) for level, semantic in levels]

    def _contract(
        self,
        nodes: Supernodes,
        edges: Tensor | None,
        rule: Grouping,
        share_of: Tensor | None = None,
    ) -> tuple[Supernodes, Tensor | None, float | Tensor]:
        """Contracts edges, or all pairs of a graph: once, or with ``repeat`` until nothing changes.

        Returns:
            What is left, its edges, and the threshold.
        """
        while True:
            cluster, count, threshold = self._group(nodes.compared, nodes.state, edges, rule, share_of)
            if self.repeat and nodes.features is not None and count == nodes.features.size(0):
                return nodes, edges, threshold
            nodes = nodes.merge(cluster, count)
            edges = None if edges is None else _undirected(cluster[edges], count)
            if not self.repeat:
                return nodes, edges, threshold

    def _group(
        self, x: Tensor, state: AffinityState, edges: Tensor | None, rule: Grouping, share_of: Tensor | None = None
    ) -> tuple[Tensor, int, float | Tensor]:
        """Groups supernodes along edges, or along all pairs of a graph; returns cluster, count and threshold."""
        layout = state.layout
        if rule.is_plain:
            assert rule.threshold is not None  # by is_plain
            merge_rule = MergeRule(rule.threshold, self.feature_weight, self.inclusive)
            groups = group_pairs(x, state, merge_rule) if edges is None else group_edges(x, state, edges, merge_rule)
            return *groups, rule.threshold
        if edges is None:
            edges = pairs_of_graphs(layout)
        score = pair_scores(x, state, edges, self.feature_weight)
        return rule(edges, score, layout.batch, layout.num_graphs, area=state.area, share_of=share_of)

    def _warn_if_all_merged(self, count: int, layout: Layout) -> None:
        filled = sum(size > 0 for size in layout.sizes)
        if self.ratios is None and self.center == "none" and count == filled < layout.num_nodes:
            warnings.warn(
                "every graph merged into one supernode in the first layer: the tokens are too alike for these "
                "thresholds; center='graph' subtracts what all tokens of a graph share, and 'ratios' asks for shares "
                "of the tokens instead",
                UserWarning,
                stacklevel=3,
            )

    def _warn_if_nothing_merged(self, last: Partition, num_edges: int) -> None:
        num_tokens = last.cluster.numel()
        if self.thresholds is None or num_tokens <= FEW_NODES * len(last.sizes) or not num_edges:
            return
        if last.area.numel() == num_tokens:
            warnings.warn(
                f"no layer merged anything: no score is above the lowest threshold, {min(self.thresholds)}; "
                "'ratios' asks for shares of the tokens instead",
                UserWarning,
                stacklevel=3,
            )

    def extra_repr(self) -> str:
        levels = f"thresholds={self.thresholds}" if self.ratios is None else f"ratios={self.ratios}"
        return (
            f"{levels}, feature_weight={self.feature_weight}, temperature={self.temperature}, "
            f"min_area={self.min_area}, semantic={self.semantic}, features={self.features!r}, center={self.center!r}"
        )


def _levels(
    name: str, values: Sequence[float] | None, semantic_name: str, semantic: Sequence[float] | None, *, low: float
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """Checks the thresholds or shares of the layers, and those of their semantic levels, by default the same."""
    if values is None:
        if semantic is not None:
            raise ValueError(f"'{semantic_name}' must be None without '{name}', got {semantic}")
        return None, None
    levels = _check_numbers(name, values, low)
    semantic_levels = levels if semantic is None else _check_numbers(semantic_name, semantic, low)
    if len(semantic_levels) != len(levels):
        raise ValueError(
            f"'{semantic_name}' must have {len(levels)} values, one for each of '{name}', got {len(semantic_levels)}"
        )
    return levels, semantic_levels


def _check_numbers(name: str, values: Sequence[float], low: float) -> tuple[float, ...]:
    if not isinstance(values, Sequence) or not values:
        raise TypeError(f"'{name}' must be a non-empty sequence of numbers, got {describe(values)}")
    return tuple(check_number(name, value, low, 1, open_low=True) for value in values)


def _undirected(edge_index: Tensor, num_nodes: int) -> Tensor:
    """Reduces edges to the pairs of different nodes that they join, smaller node first, each once."""
    ordered = sort_ends(edge_index)
    different = (ordered[0] != ordered[1]).nonzero().view(-1)
    return unique_edges(ordered.index_select(1, different), num_nodes, return_inverse=False)[0]
