r"""Bounds on :math:`1 - S^s` of Eq. 3 that need no affinity row.

:math:`1 - S^s` is the mean over the n tokens of a graph of :math:`|d F_k^\top|`, d the difference of the mean tokens
of two supernodes. So, with the tokens' second moments :math:`C = F^\top F / n`,

- it is at most the root mean square, :math:`\sqrt q` with :math:`q = d\, C\, d^\top`, and that is at most
  :math:`\lVert d \rVert`;
- it is at least the mean square over the largest value, :math:`q / \lVert d \rVert`.

Where a graph has many tokens for their channels, C is far smaller than the affinity of all tokens. And a few
directions hold most of it: with d = s + r, s in the span of orthonormal columns, r orthogonal to them and
:math:`\lambda` the largest moment there, :math:`\sqrt q` is :math:`\sqrt{s\, C\, s^\top}`, give or take
:math:`\sqrt\lambda\, \lVert r \rVert`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from graphpool.affinity_state import AffinityState
from graphpool.batch_layout import Layout, product_with_columns
from graphpool.precision import full_precision
from graphpool.similarity import dot_on_edges

_SLACK = 1e-5  # for the rounding of a squared distance that is a difference of products


class DistanceBounds(NamedTuple):
    """Lower and upper bounds on :math:`1 - S^s`, for each pair of supernodes."""

    lower: Tensor
    upper: Tensor

    @classmethod
    def by_length(cls, squared: Tensor) -> "DistanceBounds":
        """Bounds by the squared length of the difference of the mean tokens alone."""
        return cls(torch.zeros_like(squared), (squared.clamp(min=0) + _SLACK).sqrt())

    @classmethod
    def by_mean_square(cls, mean_square: Tensor, squared: Tensor, root_error: Tensor | float = 0) -> "DistanceBounds":
        """Bounds by q as well, whose root is known up to ``root_error``."""
        length = (squared.clamp(min=0) + _SLACK).sqrt()
        root = (mean_square - _SLACK).clamp(min=0).sqrt() - root_error
        return cls(root.clamp(min=0).square() / length, (mean_square.clamp(min=0) + _SLACK).sqrt() + root_error)


@dataclass(frozen=True)
class QuadraticForm:
    """A quadratic form of supernodes as a product, ``left @ right.T``, both with a row for each supernode."""

    left: Tensor
    right: Tensor

    @cached_property
    def squares(self) -> Tensor:
        """The form of each supernode with itself, ``[K]``."""
        return torch.bmm(self.left.unsqueeze(1), self.right.unsqueeze(2)).view(-1)

    def on_edges(self, edges: Tensor) -> Tensor:
        """Evaluates the form on the difference of both ends of each edge, ``[E]``."""
        return self.squares[edges].sum(0) - 2 * dot_on_edges(self.left, edges, self.right)

    def on_block(self, layout: Layout, block: slice) -> Tensor:
        """Evaluates the form on the differences of a block of the supernodes of each graph and all of the same graph.

        Returns:
            Values, ``[num_graphs, block, largest graph]``.
        """
        left, right, squares = (layout.pad(rows) for rows in (self.left, self.right, self.squares))
        inner = torch.bmm(left[:, block], right.transpose(1, 2))
        return inner.mul_(-2).add_(squares[:, block, None]).add_(squares[:, None])


def squared_length(state: AffinityState) -> QuadraticForm:
    """Returns the squared length of the mean tokens as a form."""
    return QuadraticForm(state.mean, state.mean)


@dataclass(frozen=True)
class MeanSquare:
    r"""The mean square q as a quadratic form: all of it, or its part in a subspace and what bounds the rest.

    Attributes:
        inside: q, or its part in the subspace.
        length_inside: squared length in the subspace; ``None`` if that is the whole space.
        outside: :math:`\lambda` for each supernode, ``[K]``; ``None`` in the same case.
    """

    inside: QuadraticForm
    length_inside: QuadraticForm | None = None
    outside: Tensor | None = None

    @classmethod
    def of(cls, state: AffinityState) -> "MeanSquare":
        """Computes q from what is cheapest: affinity rows, second moments, or their principal subspace."""
        columns = state.columns
        if not columns.moments_are_small:
            rows = state.mean_rows()
            return cls(QuadraticForm(rows / state.num_columns.unsqueeze(1), rows))
        with full_precision(columns.tokens.device):
            if columns.principal is None:
                return cls(QuadraticForm(_product_by_graph(state.mean, state.layout, columns.moments), state.mean))
            basis, inside, outside = columns.principal
            projected = _product_by_graph(state.mean, state.layout, basis.transpose(1, 2))
            return cls(
                QuadraticForm(_product_by_graph(projected, state.layout, inside), projected),
                QuadraticForm(projected, projected),
                outside.index_select(0, state.layout.batch),
            )

    def bounds(self, evaluate: Callable[[QuadraticForm], Tensor], first: Tensor, squared: Tensor) -> DistanceBounds:
        """Bounds the distances of some pairs of supernodes.

        Args:
            evaluate: function that evaluates a form on the pairs.
            first: first supernode of each pair, ``[num_pairs]``.
            squared: squared length of the difference of each pair, ``[num_pairs]``.
        """
        if self.length_inside is None or self.outside is None:
            return DistanceBounds.by_mean_square(evaluate(self.inside), squared)
        length_outside = (squared - evaluate(self.length_inside)).clamp(min=0) + _SLACK
        root_error = (self.outside.index_select(0, first) * length_outside).sqrt()
        return DistanceBounds.by_mean_square(evaluate(self.inside), squared, root_error)


def _product_by_graph(rows: Tensor, layout: Layout, columns: Tensor) -> Tensor:
    """Multiplies the rows of each graph by its transposed columns, given as ``[num_graphs, columns, channels]``."""
    num_graphs, num_columns, _ = columns.shape
    batch = torch.arange(num_graphs, device=columns.device).repeat_interleave(num_columns)
    return product_with_columns(rows, layout, columns.flatten(0, 1), Layout.of(batch, num_graphs))
