"""The merge tree of a hierarchy: every distinct segment once."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from graphpool.partition import Partition


@dataclass(frozen=True)
class MergeTree:
    """Distinct segments (sets of at least ``min_area`` tokens) of all levels, ordered by the level they were born at.

    Attributes:
        parent: the segment that holds each segment next, ``[S]``; -1 if none does.
        born: index of the first level at which each segment lived, ``[S]``.
        supernode: its supernode at that level, ``[S]``: ``levels[born].instance.cluster == supernode`` is its mask.
        lives: levels at which each segment lived, ``[S, num_levels]``, bool.
        area: number of tokens, ``[S]``.
        batch: graph, ``[S]``.
        segment_of: for each level, the segment of each of its supernodes, ``[K]``; -1 for those too small.
    """

    parent: Int[Tensor, " segments"]
    born: Int[Tensor, " segments"]
    supernode: Int[Tensor, " segments"]
    lives: Bool[Tensor, "segments levels"]
    area: Int[Tensor, " segments"]
    batch: Int[Tensor, " segments"]
    segment_of: tuple[Tensor, ...]


def merge_tree(partitions: Sequence[Partition]) -> MergeTree:
    """The merge tree of the partitions of successive levels."""
    device = partitions[0].cluster.device if partitions else torch.device("cpu")
    empty = torch.zeros(0, dtype=torch.long, device=device)
    kept = [partition.keep.nonzero().view(-1) for partition in partitions]
    names = [_fingerprints(partition).index_select(0, index) for partition, index in zip(partitions, kept, strict=True)]
    # equal sets of tokens have equal fingerprints; numbering them by first appearance orders them by birth
    _, name = torch.unique(torch.cat(names), dim=0, return_inverse=True) if names else (empty, empty)
    everywhere = torch.arange(name.numel(), device=device)
    count = int(name.max()) + 1 if name.numel() else 0
    first = torch.full((count,), name.numel(), device=device).scatter_reduce(0, name, everywhere, "amin")
    first, order = first.sort()
    segment = torch.empty_like(order).index_copy_(0, order, torch.arange(count, device=device)).index_select(0, name)
    level = torch.repeat_interleave(
        torch.arange(len(kept), device=device), torch.tensor([index.numel() for index in kept], device=device)
    )
    lives = torch.zeros(count, len(kept), dtype=torch.bool, device=device)
    lives[segment, level] = True
    segment_of = []
    for partition, index, part in zip(partitions, kept, segment.split([i.numel() for i in kept]), strict=True):
        segment_of.append(torch.full_like(partition.area, -1).index_copy_(0, index, part))
    areas = torch.cat([empty, *(partition.area[index] for partition, index in zip(partitions, kept, strict=True))])
    graphs = torch.cat([empty, *(partition.batch[index] for partition, index in zip(partitions, kept, strict=True))])
    return MergeTree(
        parent=_parents(partitions, segment_of, count, device),
        born=level.index_select(0, first),
        supernode=torch.cat([empty, *kept]).index_select(0, first),
        lives=lives,
        area=areas.index_select(0, first),
        batch=graphs.index_select(0, first),
        segment_of=tuple(segment_of),
    )


def _fingerprints(partition: Partition) -> Tensor:
    """126 random bits of each supernode's set of tokens, ``[K, 2]``: sums of fixed random keys, which wrap around."""
    generator = torch.Generator().manual_seed(0)
    keys = torch.randint(-(2**62), 2**62, (partition.cluster.numel(), 2), generator=generator)
    sums = torch.zeros(partition.area.numel(), 2, dtype=torch.long, device=partition.cluster.device)
    return sums.index_add_(0, partition.cluster, keys.to(sums.device))


def _parents(partitions: Sequence[Partition], segment_of: list[Tensor], count: int, device: torch.device) -> Tensor:
    parent = torch.full((count,), -1, device=device)
    for here, below, above, over in zip(partitions, segment_of, partitions[1:], segment_of[1:], strict=False):
        ends = torch.stack([torch.full_like(below, above.area.numel()), torch.full_like(below, -1)])
        low = ends[0].scatter_reduce(0, here.cluster, above.cluster, "amin")
        high = ends[1].scatter_reduce(0, here.cluster, above.cluster, "amax")
        holder = over.index_select(0, low)
        # a segment that lives on is its own holder: its parent shows at the level where it ends
        held = ((low == high) & (below >= 0) & (holder != below)).nonzero().view(-1)
        parent.index_copy_(0, below.index_select(0, held), holder.index_select(0, held))
    return parent
