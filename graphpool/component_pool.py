"""ComponentPool: contracts the connected components of edges with high learned scores; PyG's ClusterPooling, sparse."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from graphpool.checks import check_choice, check_count, check_graph, check_number
from graphpool.edge_contraction import REDUCTIONS, coarsen
from graphpool.edge_scores import linear_on_edges
from graphpool.grouping import Grouping
from graphpool.pooled import Pooled
from graphpool.segment_reduce import add_neighbours, add_rows, take_rows

METHODS = ("tanh", "sigmoid", "log_softmax")


class ComponentPool(nn.Module):
    r"""Contracts the connected components of edges whose learned score is above a threshold.

    The operator of `"Edge-Based Graph Component Pooling" <https://arxiv.org/abs/2409.11856>`_. Returns what
    :class:`torch_geometric.nn.pool.ClusterPooling` returns (same clusters, edges and batch, features up to rounding,
    and the same ``state_dict``) without its dense N x N matrices, and works on graphs without nodes or edges.

    A supernode is :math:`\sum_{(i, j), j \in c} s_{ij} x_i`: the sources of *all* edges that end in it, weighted by
    their scores, plus its own node unweighted if none of that node's edges was contracted.

    Args:
        in_channels: number of features of a node.
        edge_score_method: ``"tanh"``, ``"sigmoid"`` or ``"log_softmax"`` of a linear map of the features at both ends.
        dropout: probability with which raw scores are dropped in training.
        threshold: edges with larger scores are contracted. ``None`` is 0 for ``tanh``, 0.5 for ``sigmoid``, and for
            ``log_softmax`` the logarithm of an even share, :math:`-\log E`. (ClusterPooling's default for the latter
            is 0, which no log-probability exceeds, so that it never contracts an edge.)
        ratio: largest share of the nodes of each graph that is left, in (0, 1], in place of a threshold: rounded down,
            but at least one node. Of edges whose scores are equal to the last one, the first are contracted; where
            edges do not reach that far, all are.
        edge_reduce: how attributes of merged edges become one: ``"sum"``, ``"mean"``, ``"max"`` or ``"min"``.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument outside its range.

    Example:
        >>> pool = ComponentPool(4)
        >>> x, edge_index, edge_attr, batch, *_ = pool(torch.randn(3, 4), torch.tensor([[0, 1], [1, 2]]))
        >>> x.size(1)
        4
    """

    def __init__(
        self,
        in_channels: int,
        edge_score_method: str = "tanh",
        dropout: float = 0.0,
        threshold: float | None = None,
        *,
        ratio: float | None = None,
        edge_reduce: str = "sum",
    ) -> None:
        super().__init__()
        self.in_channels = check_count("in_channels", in_channels, 1)
        check_choice("edge_score_method", edge_score_method, METHODS)
        check_choice("edge_reduce", edge_reduce, REDUCTIONS)
        self.edge_score_method, self.edge_reduce = edge_score_method, edge_reduce
        self.dropout = check_number("dropout", dropout, 0, 1)
        self.threshold, self.ratio = threshold, ratio
        Grouping(threshold, ratio).check()
        self.lin = nn.Linear(2 * in_channels, 1)

    def reset_parameters(self) -> None:
        """Draws new weights."""
        self.lin.reset_parameters()

    @torch.compiler.disable  # shapes follow from the data: one clean graph break instead of many
    def forward(
        self,
        x: Float[Tensor, "nodes channels"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Shaped[Tensor, "edges *attributes"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
    ) -> Pooled:
        """Pools a graph or a batch of graphs.

        Args:
            x: node features, ``[num_nodes, in_channels]``, floating point.
            edge_index: edges, ``[2, num_edges]``, int32 or int64. Self-loops are left out, as in ClusterPooling, and
                score 0.
            edge_attr: attributes of the edges, ``[num_edges, *]``, integer or floating point.
            batch: graph of each node, sorted, ``[num_nodes]``, int32 or int64; ``None`` for one graph.

        Returns:
            :class:`Pooled`, without ``state``. Gradients reach ``x`` and the weights.

        Raises:
            TypeError: an argument has the wrong type or dtype.
            ValueError: wrong shapes, indices out of range, an unsorted ``batch``, or edges between graphs.

        Host syncs: one or two for the checks, two for sizes, one for each round of components.
        """
        graph = check_graph(x, edge_index, edge_attr, batch)
        if x.size(1) != self.in_channels:
            raise ValueError(f"'x' must have {self.in_channels} channels (in_channels), got {x.size(1)}")
        proper = (graph.edge_index[0] != graph.edge_index[1]).nonzero().view(-1)
        edges = graph.edge_index.index_select(1, proper)
        score = self._score(x, edges)
        grouping = Grouping(self._threshold(score) if self.ratio is None else None, self.ratio)
        label, count, threshold = grouping(edges, score, graph.batch, graph.num_graphs)
        joined = label.index_select(0, edges[0]) == label.index_select(0, edges[1])
        joined &= score > threshold.index_select(0, graph.batch.index_select(0, edges[0]))
        contracted = edges.index_select(1, joined.nonzero().view(-1))
        alone = torch.ones(x.size(0), dtype=torch.bool, device=x.device).index_fill_(0, contracted.flatten(), False)
        into = torch.stack([edges[0], label.index_select(0, edges[1])])
        received = add_neighbours(x, score, into, count)
        pooled = received + add_rows(x * alone.unsqueeze(1), label, count)
        kept_attr = None if edge_attr is None else take_rows(edge_attr, proper)
        coarse, coarse_attr = coarsen(label, edges, kept_attr, count, self.edge_reduce)
        pooled_batch = graph.batch.new_zeros(count).index_copy_(0, label, graph.batch)
        every_score = score.new_zeros(graph.edge_index.size(1)).index_copy(0, proper, score)
        return Pooled(pooled, coarse, coarse_attr, pooled_batch, label, every_score, None, threshold)

    def _score(self, x: Tensor, edges: Tensor) -> Tensor:
        raw = F.dropout(linear_on_edges(self.lin, x, edges), p=self.dropout, training=self.training)
        if self.edge_score_method == "log_softmax":
            return raw.log_softmax(0)
        return raw.tanh() if self.edge_score_method == "tanh" else raw.sigmoid()

    def _threshold(self, score: Tensor) -> float:
        if self.threshold is not None:
            return self.threshold
        if self.edge_score_method == "log_softmax":
            return -math.log(max(score.numel(), 1))
        return 0.5 if self.edge_score_method == "sigmoid" else 0.0

    def extra_repr(self) -> str:
        return (
            f"in_channels={self.in_channels}, edge_score_method={self.edge_score_method!r}, "
            f"threshold={self.threshold}" + (f", ratio={self.ratio}" if self.ratio is not None else "")
        )
