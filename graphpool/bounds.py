r"""What :math:`1 - S^s` of Eq. 3 can be, without an affinity row.

It is the mean over the n tokens of a graph of :math:`|d F_k^\top|`, d the difference of the mean tokens of two
supernodes. So, with the tokens' second moments :math:`C = F^\top F / n`,

- it is at most the root of the mean square, :math:`\sqrt q` with :math:`q = d\, C\, d^\top`, and that is at most
  :math:`\lVert d \rVert`;
- it is at least the mean square over the largest, :math:`q / \lVert d \rVert`.

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

from graphpool.layout import Layout
from graphpool.precision import full_precision
from graphpool.products import product_with_columns
from graphpool.similarity import dot_on_edges
from graphpool.state import AffinityState

_SLACK = 1e-5  # of rounding in a squared distance that is a difference of products


class Range(NamedTuple):
    """The least and the most that :math:`1 - S^s` can be, for each pair of supernodes."""

    least: Tensor
    most: Tensor

    @classmethod
    def by_length(cls, squared: Tensor) -> "Range":
        """From the squared length of the difference of the mean tokens alone."""
        return cls(torch.zeros_like(squared), (squared.clamp(min=0) + _SLACK).sqrt())

    @classmethod
    def of(cls, mean_square: Tensor, squared: Tensor, rest: Tensor | float = 0) -> "Range":
        """From q, too, whose root is known give or take the rest."""
        length = (squared.clamp(min=0) + _SLACK).sqrt()
        least = (mean_square - _SLACK).clamp(min=0).sqrt() - rest
        return cls(least.clamp(min=0).square() / length, (mean_square.clamp(min=0) + _SLACK).sqrt() + rest)


@dataclass(frozen=True)
class Form:
    """A quadratic form of supernodes as a product, ``left @ right.T``, both with a row for each supernode."""

    left: Tensor
    right: Tensor

    @classmethod
    def length(cls, state: AffinityState) -> "Form":
        """The inner product of mean tokens."""
        return cls(state.mean, state.mean)

    @cached_property
    def squares(self) -> Tensor:
        """The form of each supernode with itself, ``[K]``."""
        return torch.bmm(self.left.unsqueeze(1), self.right.unsqueeze(2)).view(-1)

    def on_edges(self, edges: Tensor) -> Tensor:
        """The form of the difference of both ends of each edge, ``[E]``."""
        return self.squares[edges].sum(0) - 2 * dot_on_edges(self.left, edges, self.right)

    def of_block(self, layout: Layout, block: slice) -> Tensor:
        """That of a block of the supernodes of each graph and all of the same graph, ``[graphs, block, largest]``."""
        left, right, squares = (layout.pad(own) for own in (self.left, self.right, self.squares))
        inner = torch.bmm(left[:, block], right.transpose(1, 2))
        return inner.mul_(-2).add_(squares[:, block, None]).add_(squares[:, None])


@dataclass(frozen=True)
class MeanSquare:
    r"""q of pairs of supernodes: all of it, or that of a subspace and what it takes to bound the rest.

    Attributes:
        inside: q in the subspace.
        along: squared length in the subspace; ``None`` if that is the whole space.
        outside: :math:`\lambda` for each supernode, ``[K]``.
    """

    inside: Form
    along: Form | None = None
    outside: Tensor | None = None

    @classmethod
    def of(cls, state: AffinityState) -> "MeanSquare":
        """Whichever is the cheapest."""
        columns = state.columns
        if not columns.worth_moments:
            rows = state.mean_rows()
            return cls(Form(rows / state.columns_of.unsqueeze(1), rows))
        with full_precision(columns.tokens.device):
            if columns.principal is None:
                return cls(Form(_product(state.mean, state.layout, columns.moments), state.mean))
            basis, inside, outside = columns.principal
            along = _product(state.mean, state.layout, basis.transpose(1, 2))
            outside = outside.index_select(0, state.layout.batch)
            return cls(Form(_product(along, state.layout, inside), along), Form(along, along), outside)

    def range(self, look: Callable[[Form], Tensor], first: Tensor, squared: Tensor) -> Range:
        """Bounds for some pairs: how to look a form up for them, their first supernodes, their squared lengths."""
        if self.along is None or self.outside is None:
            return Range.of(look(self.inside), squared)
        left = (squared - look(self.along)).clamp(min=0) + _SLACK
        rest = (self.outside.index_select(0, first) * left).sqrt()
        return Range.of(look(self.inside), squared, rest)


def _product(rows: Tensor, layout: Layout, columns: Tensor) -> Tensor:
    """Of the rows of each graph with the transposed columns of the same graph, ``[graphs, columns, channels]``."""
    graphs, each, _ = columns.shape
    batch = torch.arange(graphs, device=columns.device).repeat_interleave(each)
    return product_with_columns(rows, layout, columns.flatten(0, 1), Layout.of(batch, graphs))
