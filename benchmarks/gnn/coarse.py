"""What every pooling layer returns here."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor


class Coarse(NamedTuple):
    """A pooled batch of graphs.

    Attributes:
        x: features of what is left, ``[K, channels]``.
        edge_index: ``[2, edges]``.
        edge_weight: of layers that make some, ``[edges]``.
        batch: graph of each row of ``x``.
        lift: rows of what is left to rows of the nodes that were pooled; what was dropped gets zeros.
        loss: of the layer itself, to be added to what the network learns from.
    """

    x: Tensor
    edge_index: Tensor
    edge_weight: Tensor | None
    batch: Tensor
    lift: Callable[[Tensor], Tensor]
    loss: Tensor | None = None
