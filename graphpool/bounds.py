r"""What :math:`1 - S^s` of Eq. 3 can be, without an affinity row.

It is the mean over the n tokens of a graph of :math:`|(m_i - m_j) F_k^\top|`, m the mean tokens of two supernodes. So,
with the tokens' second moments :math:`C = F^\top F / n`,

- it is at most the root of the mean square, :math:`\sqrt q` with :math:`q = (m_i - m_j)\, C\, (m_i - m_j)^\top`, and
  that is at most :math:`\lVert m_i - m_j \rVert`;
- it is at least the mean square over the largest, :math:`q / \lVert m_i - m_j \rVert`.

Where a graph has many tokens for their channels, C is far smaller than the affinity of all tokens.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from graphpool.layout import Layout, product_with_columns
from graphpool.precision import full_precision
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
    def of(cls, mean_square: Tensor, squared: Tensor) -> "Range":
        """From q, too."""
        length = (squared.clamp(min=0) + _SLACK).sqrt()
        return cls((mean_square - _SLACK).clamp(min=0) / length, (mean_square.clamp(min=0) + _SLACK).sqrt())


@dataclass(frozen=True)
class Form:
    """A quadratic form of supernodes as a product, ``left @ right.T``, both with a row for each supernode."""

    left: Tensor
    right: Tensor

    @classmethod
    def length(cls, state: AffinityState) -> "Form":
        """The inner product of mean tokens."""
        return cls(state.mean, state.mean)

    @classmethod
    def mean_square(cls, state: AffinityState) -> "Form":
        """That of C."""
        if not state.columns.worth_moments:
            rows = state.mean_rows()
            return cls(rows / state.columns_of.unsqueeze(1), rows)
        moments = state.columns.moments
        graphs, channels, _ = moments.shape
        each = torch.arange(graphs, device=moments.device).repeat_interleave(channels)
        with full_precision(moments.device):
            left = product_with_columns(state.mean, state.layout, moments.flatten(0, 1), Layout.of(each, graphs))
        return cls(left, state.mean)

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
