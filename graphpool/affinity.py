"""Affinity to the tokens of a graph, A = F F^T, and the tokens' second moments, F^T F / n: only what is asked for."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from graphpool.batch_layout import Layout, block_product, product_with_columns
from graphpool.precision import full_precision

_DIRECTIONS = 64  # of the principal subspace
_MIN_CHANNELS = 2 * _DIRECTIONS  # from which a subspace of so few directions is worth its cost
_ITERATIONS = 2  # of the subspace iteration


class PrincipalSubspace(NamedTuple):
    """A subspace of the channels that holds most of the second moments, and a bound on those outside it.

    The bound holds for any subspace; one of principal directions makes it small.

    Attributes:
        basis: orthonormal columns, ``[num_graphs, channels, directions]``.
        inside: second moments in the subspace, ``[num_graphs, directions, directions]``.
        outside: upper bound on the second moment in any direction orthogonal to it, ``[num_graphs]``.
    """

    basis: Tensor
    inside: Tensor
    outside: Tensor


@dataclass(frozen=True)
class AffinityColumns:
    """The tokens that affinity is taken to: all tokens of each graph, or evenly spaced anchors.

    Attributes:
        tokens: unit rows, ``[num_columns, channels]``.
        layout: which graph each of them belongs to.
        index: which of all tokens they are, ``[num_columns]``; ``None`` if they are all.
    """

    tokens: Tensor
    layout: Layout
    index: Tensor | None = None

    @classmethod
    def of(cls, tokens: Tensor, layout: Layout, anchors: int | None) -> "AffinityColumns":
        """Selects all tokens, or ``anchors`` evenly spaced ones of every graph that has more."""
        if anchors is None or layout.largest <= anchors:
            return cls(tokens, layout)
        size = layout.ptr.diff()
        kept = size.clamp(max=anchors)
        ptr = torch.cat([kept.new_zeros(1), kept.cumsum(0)])
        sizes = tuple(min(size, anchors) for size in layout.sizes)
        graph = torch.repeat_interleave(torch.arange(len(sizes), device=ptr.device), kept, output_size=sum(sizes))
        place = torch.arange(graph.numel(), device=ptr.device) - ptr.index_select(0, graph)
        spaced = (place * size.index_select(0, graph)).div(kept.index_select(0, graph), rounding_mode="floor")
        index = layout.ptr.index_select(0, graph) + spaced
        return cls(tokens.index_select(0, index), Layout(graph, ptr, sizes), index)

    @property
    def moments_are_small(self) -> bool:
        """Whether second moments are much smaller than the affinity of all tokens."""
        return self.layout.largest >= 2 * self.tokens.size(1)

    @cached_property
    def moments(self) -> Tensor:
        """Second moments of the tokens of each graph, ``[num_graphs, channels, channels]``."""
        tokens, layout = self.tokens, self.layout
        with full_precision(tokens.device):
            if tokens.is_cpu:
                products = tokens.new_empty(layout.num_graphs, tokens.size(1), tokens.size(1))
                for graph_tokens, product in zip(layout.split(tokens), products, strict=True):
                    block_product(graph_tokens.T, graph_tokens.T, product, symmetric=True)
            else:
                padded = layout.pad(tokens)
                products = torch.bmm(padded.transpose(1, 2), padded)
        return products / layout.ptr.diff().clamp(min=1).view(-1, 1, 1)

    @cached_property
    def principal(self) -> PrincipalSubspace | None:
        """The principal subspace of the moments; ``None`` where it is no cheaper than they are (QR is slow on CUDA)."""
        if not self.tokens.is_cpu or self.tokens.size(1) < _MIN_CHANNELS:
            return None
        return _principal_subspace(self.moments, self.tokens, self.layout)


def _principal_subspace(moments: Tensor, tokens: Tensor, layout: Layout) -> PrincipalSubspace:
    """Finds the subspace by subspace iteration, starting from evenly spaced tokens.

    The largest moment outside is the root of the largest eigenvalue of the squared rest, which is at most the root of
    its Frobenius norm.
    """
    spaced = torch.arange(_DIRECTIONS, device=tokens.device) * layout.ptr.diff().unsqueeze(1) // _DIRECTIONS
    index = (layout.ptr[:-1].unsqueeze(1) + spaced).clamp(max=max(0, tokens.size(0) - 1))
    basis = tokens[index].transpose(1, 2)
    for _ in range(_ITERATIONS):
        basis = torch.linalg.qr(moments @ basis)[0]
    product = moments @ basis
    inside = basis.transpose(1, 2) @ product
    half = torch.baddbmm(product, basis, inside, alpha=-0.5)
    rest = moments.baddbmm(half, basis.transpose(1, 2), alpha=-1)
    rest = rest.baddbmm_(basis, half.transpose(1, 2), alpha=-1)
    squared = torch.empty_like(rest)
    for graph_rest, out in zip(rest, squared, strict=True):
        block_product(graph_rest, graph_rest, out, symmetric=True)
    return PrincipalSubspace(basis, inside, squared.flatten(1).norm(dim=1).sqrt())


def check_fits(num_rows: int, columns: AffinityColumns) -> None:
    """Raises a ``ValueError`` where ``num_rows`` affinity rows would exceed the free memory."""
    wanted = num_rows * columns.layout.largest * columns.tokens.element_size()
    if wanted < 2**28:
        return
    free = _free_bytes(columns.tokens.device)
    if wanted > free:
        raise ValueError(
            f"affinity of {num_rows:,} nodes to up to {columns.layout.largest:,} tokens a graph needs "
            f"{wanted / 2**30:,.1f} GiB and {free / 2**30:,.1f} GiB are free: use feature_weight=1 (no affinity at "
            "all), anchors=... (an approximation by a few columns), or smaller batches"
        )


def _free_bytes(device: torch.device) -> float:
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not on this system
        return float("inf")


def affinity_rows(sums: Tensor, layout: Layout, columns: AffinityColumns, *, symmetric: bool = False) -> Tensor:
    """Computes ``sums F^T`` inside each graph: the sum of the affinity rows of each supernode's tokens.

    Args:
        sums: sum of the tokens of each supernode, ``[K, channels]``.
        layout: which graph each supernode belongs to.
        columns: tokens that affinity is taken to.
        symmetric: whether ``sums`` are the column tokens themselves, so that the result is A.

    Returns:
        Rows, ``[K, most columns of a graph]``, zero in the columns that a smaller graph does not have.
    """
    with full_precision(sums.device):
        return product_with_columns(sums, layout, columns.tokens, columns.layout, symmetric=symmetric)
