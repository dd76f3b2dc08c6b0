"""Where the graphs of a batch stand: borders, sizes, and the padded form that batched products need."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """Nodes of several graphs, one graph after the other.

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
        """The layout of a sorted batch vector. One host sync, none for a single graph."""
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
        return max(self.sizes, default=0)

    @property
    def uniform(self) -> bool:
        """Whether all graphs have the same size, so that the padded form is a view."""
        return len(set(self.sizes)) <= 1

    @cached_property
    def slot(self) -> Tensor:
        """Place of each node in the flattened padded form, ``[num_nodes]``."""
        nodes = torch.arange(self.num_nodes, device=self.batch.device)
        if self.uniform:
            return nodes
        return nodes + (self.batch * self.largest - self.ptr.index_select(0, self.batch))

    @cached_property
    def valid(self) -> Tensor:
        """Which places of the padded form hold a node, ``[num_graphs, largest]``."""
        return torch.arange(self.largest, device=self.ptr.device) < self.ptr.diff().unsqueeze(1)

    def size_of_node(self) -> Tensor:
        """Size of the graph of each node, ``[num_nodes]``."""
        return self.ptr.diff().index_select(0, self.batch)

    def split(self, x: Tensor) -> tuple[Tensor, ...]:
        """The rows of each graph."""
        return torch.split(x, list(self.sizes))

    def pad(self, x: Tensor) -> Tensor:
        """``[num_nodes, *] -> [num_graphs, largest, *]``, zero where there is no node."""
        shape = (self.num_graphs, self.largest, *x.shape[1:])
        if self.uniform:
            return x.reshape(shape)
        return x.new_zeros(self.num_graphs * self.largest, *x.shape[1:]).index_copy(0, self.slot, x).view(shape)

    def unpad(self, padded: Tensor) -> Tensor:
        """The inverse of :meth:`pad`."""
        flat = padded.flatten(0, 1)
        return flat if self.uniform else flat.index_select(0, self.slot)
