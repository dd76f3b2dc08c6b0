"""Pooled: what every pooling layer returns, and its forms in PyG and torch-geometric-pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from graphpool.affinity_state import AffinityState
from graphpool.batch_layout import Layout
from graphpool.checks import check_tensor
from graphpool.segment_reduce import take_rows

if TYPE_CHECKING:
    from tgp.select import SelectOutput as TgpSelectOutput
    from torch_geometric.data import Data
    from torch_geometric.nn.pool.select import SelectOutput


class Pooled(NamedTuple):
    """Holds a pooled graph, or batch of graphs; unpacks in PyG's order: ``x, edge_index, edge_attr, batch, *_``.

    Attributes:
        x: features of the supernodes, ``[K, channels]``, in the dtype of the input.
        edge_index: edges between supernodes, ``[2, num_coarse_edges]``, int64, each once, without self-loops, sorted.
        edge_attr: attributes of these edges, ``[num_coarse_edges, *]``, or ``None``.
        batch: graph of each supernode, ``[K]``, int64, sorted.
        cluster: supernode of each input node, ``[num_nodes]``, int64.
        score: score of each input edge, ``[num_edges]``, or ``None``.
        state: the original tokens and running sums, for the next layer, or ``None``.
        threshold: threshold of each graph, ``[num_graphs]``, fp32 or fp64: the one that was given, or the one that
            leaves the ratio that was asked for (with ``group="mutual"`` just below the lowest score that merged);
            infinite where nothing had to merge.

    Example:
        >>> from graphpool import AgglomerativePool, grid_graph
        >>> x = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
        >>> pooled = AgglomerativePool(0.9, features="mean")(x, grid_graph(2, 2))
        >>> pooled.cluster, pooled.lift()[:, 0]
        (tensor([0, 0, 1, 1]), tensor([2., 2., 0., 0.]))
    """

    x: Float[Tensor, "supernodes channels"]
    edge_index: Int[Tensor, "2 coarse_edges"]
    edge_attr: Shaped[Tensor, "coarse_edges *attributes"] | None
    batch: Int[Tensor, " supernodes"]
    cluster: Int[Tensor, " nodes"]
    score: Float[Tensor, " edges"] | None = None
    state: AffinityState | None = None
    threshold: Float[Tensor, " graphs"] | None = None

    def lift(self, x: Shaped[Tensor, "supernodes *channels"] | None = None) -> Shaped[Tensor, "nodes *channels"]:
        """Unpools: gives each node the row of its supernode.

        Args:
            x: rows of the supernodes, ``[K, *]``, say after further layers; the pooled features if not given.

        Returns:
            Rows of the nodes, ``[num_nodes, *]``. Differentiable, with a deterministic gradient.

        Raises:
            TypeError: ``x`` is not a tensor.
            ValueError: ``x`` does not have K rows.
        """
        x = self.x if x is None else x
        check_tensor("x", x, kind="any", rows=(self.x.size(0), "supernodes"))
        return take_rows(x, self.cluster)

    def to_data(self, batch_size: int | None = None) -> Data:
        """Converts the pooled graph to a PyG ``Data``, several graphs to a ``Batch`` that ``to_data_list`` splits.

        Args:
            batch_size: number of graphs; up to the last one that has nodes if not given.

        Host syncs: two for a batch.
        """
        from torch_geometric.data import Batch, Data  # here, since its import takes seconds

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
        """Converts the assignment to PyG's ``SelectOutput``, for its ``Connect`` and other operators."""
        from torch_geometric.nn.pool.select import SelectOutput

        nodes = torch.arange(self.cluster.numel(), device=self.cluster.device)
        return SelectOutput(nodes, nodes.numel(), self.cluster, self.x.size(0))

    def to_tgp_select_output(self) -> TgpSelectOutput:
        """Converts the assignment to torch-geometric-pool's ``SelectOutput``, for its reducers, connectors and lifts.

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
