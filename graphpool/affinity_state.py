"""What a hierarchy of pooling layers carries along: the original tokens, and running sums over each supernode."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from graphpool.affinity import AffinityColumns, affinity_rows, check_fits
from graphpool.batch_layout import Layout
from graphpool.precision import widen
from graphpool.segment_reduce import add_rows, average_rows, take_rows
from graphpool.vote import vote_by_sums

CENTERS = ("none", "graph")
_VANISHED = 1e-4  # of the longest raw token of a graph; below it, centred tokens are rounding noise


@dataclass(frozen=True)
class AffinityState:
    """Carries the original tokens of a batch of graphs, and their sums over each supernode, from layer to layer.

    :class:`~graphpool.AgglomerativePool` returns one and takes it back as ``state`` in the next layer. By linearity,
    sums of tokens are all that Eqs. 3 and 6 of the paper need to know of a supernode.

    Attributes:
        columns: the unit tokens that affinity is taken to.
        values: what Eq. 6 averages, a row for each column token.
        layout: which graph each *supernode* belongs to.
        sums: sum of the unit tokens of each supernode, ``[K, channels]``.
        area: number of tokens of each supernode, ``[K]``, int64.
        cluster: supernode of each original token, ``[num_tokens]``, int64.

    Example:
        >>> from graphpool import AgglomerativePool, grid_graph
        >>> tokens = torch.eye(2).repeat_interleave(2, 0)  # the rows of a 2 x 2 grid
        >>> AgglomerativePool(0.8)(tokens, grid_graph(2, 2)).state.area
        tensor([2, 2])
    """

    columns: AffinityColumns
    values: Tensor
    layout: Layout
    sums: Tensor
    area: Tensor
    cluster: Tensor

    @classmethod
    def start(
        cls, tokens: Tensor, layout: Layout, *, values: Tensor | None = None, anchors: int | None = None
    ) -> "AffinityState":
        """Makes every token a supernode. ``tokens`` and ``values`` are in the dtype to compute in."""
        columns = AffinityColumns.of(tokens, layout, anchors)
        values = tokens if values is None else values
        if columns.index is not None:
            values = take_rows(values, columns.index)
        ones = torch.ones_like(layout.batch)
        nodes = torch.arange(layout.num_nodes, device=tokens.device)
        return cls(columns, values, layout, tokens, ones, nodes)

    @cached_property
    def mean(self) -> Tensor:
        """Mean token of each supernode, ``[K, channels]``."""
        return self.sums if self.is_initial else self.sums / self.area.unsqueeze(1)

    @cached_property
    def num_columns(self) -> Tensor:
        """Number of affinity columns of the graph of each supernode, ``[K]``."""
        return self.columns.layout.ptr.diff().index_select(0, self.layout.batch)

    @property
    def is_initial(self) -> bool:
        """Whether every token is still its own supernode."""
        return self.layout.num_nodes == self.cluster.numel()

    def mean_rows(self) -> Tensor:
        """Computes the affinity row of each supernode, the mean over its tokens: ``[K, most columns of a graph]``."""
        check_fits(self.layout.num_nodes, self.columns)
        symmetric = self.columns.index is None and self.is_initial
        return affinity_rows(self.mean, self.layout, self.columns, symmetric=symmetric)

    def merge(self, cluster: Tensor, num_clusters: int) -> "AffinityState":
        """Merges supernodes into clusters: sums and areas add up."""
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
        """Selects some of the supernodes, in the order given (sorted by graph); ``cluster`` stays as it is."""
        return replace(
            self,
            layout=Layout.of(self.layout.batch.index_select(0, index), self.layout.num_graphs),
            sums=self.sums.index_select(0, index),
            area=self.area.index_select(0, index),
        )

    def vote(self, temperature: float, logits: str) -> Tensor:
        """Computes Eq. 6 for every supernode, before normalisation."""
        area = self.area if logits == "mean" else None
        return vote_by_sums(self.sums, self.layout, self.columns, self.values, temperature, area)


def unit_tokens(x: Tensor, layout: Layout, center: str) -> Tensor:
    """Normalises rows, in fp32 or better; with ``center="graph"`` after subtracting the mean row of each graph.

    A graph whose centred rows vanish (a single node, a blank photo) keeps its raw ones.
    """
    x = widen(x)
    if center == "graph" and layout.num_nodes:
        centred = x - take_rows(average_rows(x, layout.batch, layout.num_graphs), layout.batch)
        lengths = torch.stack([x.detach().norm(dim=1), centred.detach().norm(dim=1)])
        longest = lengths.new_zeros(2, layout.num_graphs)
        longest = longest.scatter_reduce(1, layout.batch.expand(2, -1), lengths, "amax")
        vanished = (longest[1] <= _VANISHED * longest[0]).index_select(0, layout.batch)
        x = torch.where(vanished.unsqueeze(1), x, centred)
    return F.normalize(x, dim=1)
