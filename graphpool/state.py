"""What a hierarchy of pooling layers remembers: the original tokens and running sums over each supernode."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from graphpool.affinity import Columns, affinity_matrix, affinity_rows, check_fits
from graphpool.layout import Layout
from graphpool.precision import widen
from graphpool.segment import add_rows, average_rows, take_rows
from graphpool.vote import vote_by_sums

CENTERS = ("none", "graph")
_VANISHED = 1e-4  # of the longest raw token of a graph; below it, centred tokens are rounding noise


@dataclass(frozen=True)
class AffinityState:
    """The original tokens of a batch of graphs, and what OAP keeps of them for each supernode.

    :class:`~graphpool.AgglomerativePool` returns one and takes it back as ``state`` in the next layer.

    Attributes:
        columns: the unit tokens that affinity is taken to.
        values: what Eq. 6 averages, a row for each column token.
        layout: which graph each *supernode* belongs to.
        sums: sum of the unit tokens of each supernode, ``[K, channels]``.
        area: number of tokens of each supernode, ``[K]``, int64.
        cluster: supernode of each original token, ``[num_tokens]``.
    """

    columns: Columns
    values: Tensor
    layout: Layout
    sums: Tensor
    area: Tensor
    cluster: Tensor

    @classmethod
    def start(
        cls, tokens: Tensor, layout: Layout, *, values: Tensor | None = None, anchors: int | None = None
    ) -> "AffinityState":
        """Every token its own supernode. ``tokens`` and ``values`` are in the type to compute in."""
        columns = Columns.of(tokens, layout, anchors)
        values = tokens if values is None else values
        if columns.index is not None:
            values = take_rows(values, columns.index)
        ones = torch.ones_like(layout.batch)
        nodes = torch.arange(layout.num_nodes, device=tokens.device)
        return cls(columns, values, layout, tokens, ones, nodes)

    @cached_property
    def mean(self) -> Tensor:
        """Mean token of each supernode, ``[K, channels]``."""
        return self.sums if self.merged_nothing else self.sums / self.area.unsqueeze(1)

    @cached_property
    def columns_of(self) -> Tensor:
        """How many affinity columns count for each supernode, ``[K]``."""
        return self.columns.layout.ptr.diff().index_select(0, self.layout.batch)

    def mean_rows(self) -> Tensor:
        """Affinity row of each supernode, the mean over its tokens: ``[K, most columns of a graph]``."""
        check_fits(self.layout.num_nodes, self.columns)
        if self.columns.index is None and self.merged_nothing:
            return affinity_matrix(self.columns)
        return affinity_rows(self.mean, self.layout, self.columns)

    @property
    def merged_nothing(self) -> bool:
        """Whether every token is still its own supernode."""
        return self.layout.num_nodes == self.cluster.numel()

    def merge(self, cluster: Tensor, num_clusters: int) -> "AffinityState":
        """The state after supernodes became clusters: children add up."""
        batch = torch.zeros(num_clusters, dtype=torch.long, device=cluster.device)
        batch.index_copy_(0, cluster, self.layout.batch)
        return replace(
            self,
            layout=Layout.of(batch, self.layout.num_graphs),
            sums=add_rows(self.sums, cluster, num_clusters),
            area=torch.zeros_like(batch).scatter_add_(0, cluster, self.area),
            cluster=cluster.index_select(0, self.cluster),
        )

    def take(self, index: Tensor) -> "AffinityState":
        """The state of some of the supernodes, in the order given (sorted by graph); ``cluster`` stays as it is."""
        return replace(
            self,
            layout=Layout.of(self.layout.batch.index_select(0, index), self.layout.num_graphs),
            sums=self.sums.index_select(0, index),
            area=self.area.index_select(0, index),
        )

    def detach(self) -> "AffinityState":
        """The same state without a graph of gradients."""
        columns = replace(self.columns, tokens=self.columns.tokens.detach())
        return replace(self, columns=columns, values=self.values.detach(), sums=self.sums.detach())

    def vote(self, temperature: float, logits: str) -> Tensor:
        """Eq. 6 for every supernode, before normalisation."""
        area = self.area if logits == "mean" else None
        return vote_by_sums(self.sums, self.layout, self.columns, self.values, temperature, area)


def unit_tokens(x: Tensor, layout: Layout, center: str) -> Tensor:
    """Rows of unit length, in fp32 or better; with ``center="graph"`` after subtracting the mean row of each graph.

    A graph whose centred rows vanish (a single node, a blank photo) keeps its raw ones.
    """
    x = widen(x)
    if center == "graph" and layout.num_nodes:
        centred = x - take_rows(average_rows(x, layout.batch, layout.num_graphs), layout.batch)
        longest = torch.stack([x.detach().norm(dim=1), centred.detach().norm(dim=1)])
        peak = longest.new_zeros(2, layout.num_graphs)
        peak = peak.scatter_reduce(1, layout.batch.expand(2, -1), longest, "amax")
        vanished = (peak[1] <= _VANISHED * peak[0]).index_select(0, layout.batch)
        x = torch.where(vanished.unsqueeze(1), x, centred)
    return F.normalize(x, dim=1)
