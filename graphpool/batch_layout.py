"""Graphs of a batch, one after the other: their borders, their padded form, and products of rows inside each graph."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

_BLOCKS = 8  # of the symmetric product: 9/16 of the multiplications of the plain one
_MIN_SYMMETRIC_SIZE = 192  # rows and channels from which multiplying costs more than copying


@dataclass(frozen=True)
class Layout:
    """Says which graph of a batch each node belongs to.

    Attributes:
        batch: graph of each node, sorted, ``[num_nodes]``.
        ptr: first node of each graph, and the end, ``[num_graphs + 1]``, on the device.
        sizes: number of nodes of each graph, on the host.
    """

    batch: Tensor
    ptr: Tensor
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, batch: Tensor, num_graphs: int) -> "Layout":
        """Reads the layout from a sorted batch vector. One host sync, none for a single graph."""
        if num_graphs == 1:
            size = batch.numel()
            return cls(batch, torch.tensor([0, size], device=batch.device), (size,))
        batch = batch.contiguous()
        ptr = torch.searchsorted(batch, torch.arange(num_graphs + 1, device=batch.device))
        return cls(batch, ptr, tuple(ptr.diff().tolist()))

    @property
    def num_nodes(self) -> int:
        return self.batch.numel()

    @property
    def num_graphs(self) -> int:
        return len(self.sizes)

    @property
    def largest(self) -> int:
        """Number of nodes of the largest graph."""
        return max(self.sizes, default=0)

    @property
    def uniform(self) -> bool:
        """Whether all graphs have the same size, so that the padded form is a view."""
        return len(set(self.sizes)) <= 1

    @cached_property
    def padded_index(self) -> Tensor:
        """Row of each node in the flattened padded form, ``[num_nodes]``."""
        nodes = torch.arange(self.num_nodes, device=self.batch.device)
        if self.uniform:
            return nodes
        return nodes + (self.batch * self.largest - self.ptr.index_select(0, self.batch))

    @cached_property
    def padded_mask(self) -> Tensor:
        """Which rows of the padded form hold a node, ``[num_graphs, largest]``, bool."""
        return torch.arange(self.largest, device=self.ptr.device) < self.ptr.diff().unsqueeze(1)

    def size_of_node(self) -> Tensor:
        """Returns the size of the graph of each node, ``[num_nodes]``."""
        return self.ptr.diff().index_select(0, self.batch)

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        """Splits rows of nodes into those of each graph."""
        return torch.split(x, list(self.sizes))

    def pad(self, x: Tensor) -> Tensor:
        """Pads ``[num_nodes, *]`` to ``[num_graphs, largest, *]``, with zeros where there is no node."""
        shape = (self.num_graphs, self.largest, *x.shape[1:])
        if self.uniform:
            return x.reshape(shape)
        return x.new_zeros(self.num_graphs * self.largest, *x.shape[1:]).index_copy(0, self.padded_index, x).view(shape)

    def unpad(self, padded: Tensor) -> Tensor:
        """Inverts :meth:`pad`."""
        flat = padded.flatten(0, 1)
        return flat if self.uniform else flat.index_select(0, self.padded_index)


def product_with_columns(
    rows: Tensor, layout: Layout, columns: Tensor, column_layout: Layout, *, symmetric: bool = False
) -> Tensor:
    """Multiplies the rows of each graph by the transposed columns of the same graph (``symmetric`` if they are equal).

    On CPU that is one product for each graph, without gradients: no padding is multiplied, and a graph gets bit for
    bit what it gets alone. On CUDA it is one padded product.

    Returns:
        Products, ``[num_rows, most columns of a graph]``, zero beyond the columns that a graph has.
    """
    if not rows.is_cpu:
        if layout.num_graphs == 1:
            return rows @ columns.T
        return layout.unpad(torch.bmm(layout.pad(rows), column_layout.pad(columns).transpose(1, 2)))
    out = rows.new_empty(layout.num_nodes, column_layout.largest)
    for left, right, product in zip(layout.split(rows), column_layout.split(columns), layout.split(out), strict=True):
        product[:, right.size(0) :] = 0
        block_product(left, right, product[:, : right.size(0)], symmetric=symmetric)
    return out


def block_product(rows: Tensor, columns: Tensor, out: Tensor, *, symmetric: bool) -> None:
    """Writes the product of the ``rows`` and the transposed ``columns`` of one graph on CPU to ``out``.

    Where both are the same (``symmetric``), half of it is copied instead of multiplied if that is quicker.
    """
    size = rows.size(0)
    if not symmetric or min(rows.shape) < _MIN_SYMMETRIC_SIZE:
        torch.mm(rows, columns.T, out=out)
        return
    step = max(1, -(-size // _BLOCKS))
    for start in range(0, size, step):
        stop = min(start + step, size)
        torch.mm(rows[start:stop], columns[start:].T, out=out[start:stop, start:])
        out[stop:, start:stop] = out[start:stop, stop:].T
