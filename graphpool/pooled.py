"""What every pooling layer returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch_geometric.data import Batch, Data

from graphpool.checks import check_rows, check_tensor
from graphpool.layout import Layout
from graphpool.segment import take_rows
from graphpool.state import AffinityState

if TYPE_CHECKING:
    from tgp.select import SelectOutput as TgpSelectOutput
    from torch_geometric.nn.pool.select import SelectOutput


class Pooled(NamedTuple):
    """A pooled graph, or batch of graphs. Unpacks in PyG's order: ``x, edge_index, edge_attr, batch, *_ = pooled``.

    Attributes:
        x: features of the supernodes, ``[K, channels]``.
        edge_index: edges between supernodes, ``[2, num_coarse_edges]``, each once, without self-loops, sorted.
        edge_attr: their attributes, ``[num_coarse_edges, ...]``, or ``None``.
        batch: graph of each supernode, ``[K]``, sorted.
        cluster: supernode of each input node, ``[N]``.
        score: score of each input edge, ``[E]``, or ``None``.
        state: the original tokens and running sums, for the next layer, or ``None``.
    """

    x: Float[Tensor, "supernodes channels"]
    edge_index: Int[Tensor, "2 coarse_edges"]
    edge_attr: Shaped[Tensor, "coarse_edges *attributes"] | None
    batch: Int[Tensor, " supernodes"]
    cluster: Int[Tensor, " nodes"]
    score: Float[Tensor, " edges"] | None = None
    state: AffinityState | None = None

    def lift(self, x: Shaped[Tensor, "supernodes *channels"] | None = None) -> Shaped[Tensor, "nodes *channels"]:
        """Unpooling: each node gets the row of its supernode.

        Args:
            x: rows of the supernodes, ``[K, *]``, say after further layers; the pooled features if not given.

        Returns:
            Rows of the nodes, ``[N, *]``. Differentiable, with a deterministic gradient.

        Raises:
            TypeError: ``x`` is not a tensor.
            ValueError: ``x`` does not have K rows.
        """
        x = self.x if x is None else x
        check_tensor("x", x, kind="any")
        check_rows("x", x, self.x.size(0), "supernodes")
        return take_rows(x, self.cluster)

    def to_data(self, batch_size: int | None = None) -> Data:
        """The pooled graph as a PyG ``Data``; with several graphs as a ``Batch`` that ``to_data_list`` takes apart.

        Args:
            batch_size: number of graphs; the last one that has nodes counts them if not given.

        Host syncs: two for a batch.
        """
        num_graphs = batch_size
        if num_graphs is None:
            num_graphs = int(self.batch[-1]) + 1 if self.batch.numel() else 1
        given = {"x": self.x, "edge_index": self.edge_index, "edge_attr": self.edge_attr}
        fields = {name: value for name, value in given.items() if value is not None}
        if num_graphs == 1:
            return Data(**fields)
        layout = Layout.of(self.batch, num_graphs)
        borders = torch.searchsorted(self.edge_index[0].contiguous(), layout.ptr)
        data = Batch(_base_cls=Data, **fields, batch=self.batch, ptr=layout.ptr)
        nodes, edges = layout.ptr.cpu(), borders.cpu()
        none = torch.zeros(num_graphs, dtype=torch.long)
        data._num_graphs = num_graphs
        data._slice_dict = {name: nodes if name == "x" else edges for name in fields}
        data._inc_dict = {name: nodes[:-1] if name == "edge_index" else none for name in fields}
        return data

    def to_select_output(self) -> SelectOutput:
        """The assignment as PyG's ``SelectOutput``, for its ``Connect`` and other operators."""
        from torch_geometric.nn.pool.select import SelectOutput

        nodes = torch.arange(self.cluster.numel(), device=self.cluster.device)
        return SelectOutput(nodes, nodes.numel(), self.cluster, self.x.size(0))

    def to_tgp_select_output(self) -> TgpSelectOutput:
        """The assignment as torch-geometric-pool's ``SelectOutput``, for its reducers, connectors and lifts.

        Raises:
            ImportError: torch-geometric-pool is not installed (extra ``peers``).
        """
        from tgp.select import SelectOutput

        return SelectOutput(
            cluster_index=self.cluster,
            num_nodes=self.cluster.numel(),
            num_supernodes=self.x.size(0),
            batch=take_rows(self.batch, self.cluster),  # of the nodes, as that library wants it
        )
