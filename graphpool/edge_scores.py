"""Learned edge scores. Any module with the same ``forward`` will do in their place."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from graphpool.checks import check_choice, check_count, check_graph
from graphpool.precision import widen
from graphpool.segment_reduce import take_rows
from graphpool.similarity import dot_on_edges

ACTIVATIONS = ("sigmoid", "tanh", "identity")


class _EdgeScore(nn.Module, ABC):
    """Checks the input of an edge score; subclasses compute it in :meth:`_score`."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.in_channels = check_count("in_channels", in_channels, 1)
        self.lin: nn.Linear

    def reset_parameters(self) -> None:
        """Draws new weights."""
        self.lin.reset_parameters()

    def forward(
        self,
        x: Float[Tensor, "nodes channels"],
        edge_index: Int[Tensor, "2 edges"],
        edge_attr: Shaped[Tensor, "edges *attributes"] | None = None,
        batch: Int[Tensor, " nodes"] | None = None,
    ) -> Float[Tensor, " edges"]:
        """Scores the edges.

        Args:
            x: node features, ``[num_nodes, in_channels]``, floating point.
            edge_index: edges, ``[2, num_edges]``, int32 or int64.
            edge_attr: attributes of the edges; checked, not used.
            batch: graph of each node; checked, not used.

        Returns:
            Scores, ``[num_edges]``, in the dtype of ``x``.

        Raises:
            TypeError: an argument has the wrong type or dtype.
            ValueError: a wrong shape or number of channels, or an index out of range.
        """
        graph = check_graph(x, edge_index, edge_attr, batch)
        if x.size(1) != self.in_channels:
            raise ValueError(f"'x' must have {self.in_channels} channels (in_channels), got {x.size(1)}")
        return self._score(x, graph.edge_index)

    @abstractmethod
    def _score(self, x: Tensor, edge_index: Tensor) -> Tensor: ...


class LinearEdgeScore(_EdgeScore):
    r"""Scores an edge by a linear map of the features at both its ends,
    :math:`s_{ij} = \phi(w^\top [x_i \,\Vert\, x_j] + b)`, as EdgePooling and ClusterPooling do.

    The map is applied to nodes and added on edges: O(N channels + E), where concatenation costs O(E channels).

    Args:
        in_channels: number of features of a node.
        activation: the function :math:`\phi`: ``"sigmoid"``, ``"tanh"`` or ``"identity"``.

    Raises:
        TypeError: ``in_channels`` is not an int.
        ValueError: ``in_channels`` below 1, or an unknown activation.

    Example:
        >>> score = LinearEdgeScore(4)
        >>> score(torch.randn(3, 4), torch.tensor([[0, 1], [1, 2]])).shape
        torch.Size([2])
    """

    def __init__(self, in_channels: int, activation: str = "sigmoid") -> None:
        super().__init__(in_channels)
        check_choice("activation", activation, ACTIVATIONS)
        self.activation = activation
        self.lin = nn.Linear(2 * in_channels, 1)

    def _score(self, x: Tensor, edge_index: Tensor) -> Tensor:
        raw = linear_on_edges(self.lin, x, edge_index)
        return raw if self.activation == "identity" else getattr(torch, self.activation)(raw)

    def extra_repr(self) -> str:
        return f"in_channels={self.in_channels}, activation={self.activation!r}"


class CosineEdgeScore(_EdgeScore):
    r"""Scores an edge by the cosine of its ends after a learned linear map,
    :math:`s_{ij} = \cos(W x_i, W x_j)`: the paper's Eq. 2 in a space that training chooses.

    Args:
        in_channels: number of features of a node.
        out_channels: number of features compared.

    Raises:
        TypeError: a number of channels is not an int.
        ValueError: a number of channels below 1.

    Example:
        >>> score = CosineEdgeScore(4, 2)
        >>> bool((score(torch.randn(3, 4), torch.tensor([[0, 1], [1, 2]])).abs() <= 1.001).all())
        True
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels)
        self.lin = nn.Linear(in_channels, check_count("out_channels", out_channels, 1), bias=False)

    def _score(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return dot_on_edges(F.normalize(widen(self.lin(x)), dim=1), edge_index).to(x.dtype)


def linear_on_edges(lin: nn.Linear, x: Tensor, edge_index: Tensor) -> Tensor:
    """Computes ``lin([x_i || x_j])`` for every edge without concatenating."""
    left, right = lin.weight.view(2, -1).unbind(0)
    ends = x @ torch.stack([left, right], dim=1)
    return take_rows(ends[:, 0], edge_index[0]) + take_rows(ends[:, 1], edge_index[1]) + lin.bias
