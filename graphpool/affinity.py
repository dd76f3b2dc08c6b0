"""Affinity to the tokens of a graph, A = F F^T, in the pieces that are needed and never as masks."""

import os
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from graphpool.layout import Layout
from graphpool.moments import Principal, principal, second_moments, worth_few_directions
from graphpool.precision import full_precision
from graphpool.products import block_product, product_with_columns


@dataclass(frozen=True)
class Columns:
    """The tokens that affinity is taken to: all of each graph, or ``anchors`` of them.

    Attributes:
        tokens: unit rows, ``[num_columns, channels]``.
        layout: which graph they belong to.
        index: which tokens they are, ``[num_columns]``; ``None`` if all of them.
    """

    tokens: Tensor
    layout: Layout
    index: Tensor | None = None

    @classmethod
    def of(cls, tokens: Tensor, layout: Layout, anchors: int | None) -> "Columns":
        """All tokens, or ``anchors`` evenly spaced ones of every graph that has more."""
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
    def worth_moments(self) -> bool:
        """Whether second moments are much smaller than the affinity of all tokens."""
        return self.layout.largest >= 2 * self.tokens.size(1)

    @cached_property
    def moments(self) -> Tensor:
        """Second moments of the tokens of each graph, ``[graphs, channels, channels]``."""
        return second_moments(self.tokens, self.layout)

    @cached_property
    def principal(self) -> Principal | None:
        """The few directions in which most of them lies; ``None`` where few are no cheaper than all."""
        return principal(self.moments, self.tokens, self.layout) if worth_few_directions(self.moments) else None


def check_fits(num_rows: int, columns: Columns) -> None:
    """Raises where ``num_rows`` affinity rows would exceed the free memory."""
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


def affinity_rows(sums: Tensor, layout: Layout, columns: Columns) -> Tensor:
    """``sums F^T`` inside each graph: running sums of affinity rows, ``[num_rows, most columns of a graph]``.

    Zero in the columns that a smaller graph does not have.
    """
    with full_precision(sums.device):
        return product_with_columns(sums, layout, columns.tokens, columns.layout)


def affinity_matrix(columns: Columns) -> Tensor:
    """All rows of A where the columns are all the tokens, ``[num_tokens, most tokens of a graph]``."""
    tokens, layout = columns.tokens, columns.layout
    if not tokens.is_cpu:
        return affinity_rows(tokens, layout, columns)
    out = tokens.new_empty(layout.num_nodes, layout.largest)
    with full_precision(tokens.device):
        for own, rows in zip(layout.split(tokens), layout.split(out), strict=True):
            rows[:, own.size(0) :] = 0
            block_product(own, own, rows[:, : own.size(0)], symmetric=True)
    return out
