"""The levels of Online Agglomerative Pooling, and the merge tree of their segments."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphpool.partition import Partition


@dataclass(frozen=True)
class MergeTree:
    """Lists the distinct segments (sets of at least ``min_area`` tokens) of all levels, in the order of their births.

    Attributes:
        parent: smallest segment that holds each segment at the level after its last, ``[S]``; -1 if none does.
        born: index of the first level of each segment, ``[S]``.
        supernode: its supernode at that level, ``[S]``: ``levels[born].instance.cluster == supernode`` is its mask.
        lives: levels at which each segment exists, ``[S, num_levels]``, bool.
        area: number of tokens of each segment, ``[S]``.
        batch: graph of each segment, ``[S]``.
        segment_of: for each level, the segment of each of its supernodes, ``[K]``; -1 for those too small.

    Example:
        >>> from graphpool import OnlineAgglomerativePooling, grid_graph
        >>> tokens = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat_interleave(8, 0)
        >>> hierarchy = OnlineAgglomerativePooling((0.8, -0.5))(tokens, grid_graph(4, 4))
        >>> hierarchy.instance_tree.parent, hierarchy.instance_tree.area
        (tensor([ 2,  2, -1]), tensor([ 8,  8, 16]))
    """

    parent: Int[Tensor, " segments"]
    born: Int[Tensor, " segments"]
    supernode: Int[Tensor, " segments"]
    lives: Bool[Tensor, "segments levels"]
    area: Int[Tensor, " segments"]
    batch: Int[Tensor, " segments"]
    segment_of: tuple[Tensor, ...]


@dataclass(frozen=True)
class Level:
    """Holds the two partitions that a layer of :class:`~graphpool.OnlineAgglomerativePooling` makes.

    Attributes:
        threshold: threshold of the instance level: the number that was given, or with ratios the one that was found
            for each graph, ``[num_graphs]``.
        instance: connected regions: :class:`Partition`.
        semantic: regions grouped wherever they lie: :class:`Partition`; ``None`` if not asked for.
        semantic_threshold: threshold of the semantic level, as that of the instance level.

    Example:
        >>> from graphpool import OnlineAgglomerativePooling, grid_graph
        >>> level = OnlineAgglomerativePooling((0.8,), min_area=1)(torch.eye(4), grid_graph(2, 2)).levels[0]
        >>> level.threshold, level.instance.cluster
        (0.8, tensor([0, 1, 2, 3]))
    """

    threshold: float | Float[Tensor, " graphs"]
    instance: Partition
    semantic: Partition | None
    semantic_threshold: float | Float[Tensor, " graphs"] | None = None


@dataclass(frozen=True)
class Hierarchy:
    """Holds the levels of :class:`~graphpool.OnlineAgglomerativePooling` on a batch of graphs, finest first.

    Attributes:
        levels: one :class:`Level` for each threshold.
        batch: graph of each token, ``[num_tokens]``, int64.

    Example:
        >>> from graphpool import OnlineAgglomerativePooling, grid_graph
        >>> hierarchy = OnlineAgglomerativePooling((0.8, 0.4))(torch.eye(4), grid_graph(2, 2))
        >>> [level.threshold for level in hierarchy.levels]
        [0.8, 0.4]
    """

    levels: tuple[Level, ...]
    batch: Int[Tensor, " tokens"]

    @cached_property
    def instance_tree(self) -> MergeTree:
        """The :class:`MergeTree` of the instance segments."""
        return merge_tree([level.instance for level in self.levels])

    @cached_property
    def semantic_tree(self) -> MergeTree:
        """The :class:`MergeTree` of the semantic segments. They need not be nested: a segment that no segment of the
        next level holds has no parent.

        Raises:
            ValueError: the hierarchy was made with ``semantic=False``.
        """
        partitions = [level.semantic for level in self.levels if level.semantic is not None]
        if len(partitions) != len(self.levels):
            raise ValueError("'semantic_tree' needs a hierarchy with semantic levels, got one made with semantic=False")
        return merge_tree(partitions)


def merge_tree(partitions: Sequence[Partition]) -> MergeTree:
    """Builds the merge tree of the partitions of successive levels."""
    device = partitions[0].cluster.device if partitions else torch.device("cpu")
    empty = torch.zeros(0, dtype=torch.long, device=device)
    kept = [partition.keep.nonzero().view(-1) for partition in partitions]
    keys = [_fingerprints(partition).index_select(0, index) for partition, index in zip(partitions, kept, strict=True)]
    # equal sets of tokens have equal fingerprints; numbering them by first appearance orders them by birth
    _, key = torch.unique(torch.cat(keys), dim=0, return_inverse=True) if keys else (empty, empty)
    everywhere = torch.arange(key.numel(), device=device)
    count = int(key.max()) + 1 if key.numel() else 0
    first = torch.full((count,), key.numel(), device=device).scatter_reduce(0, key, everywhere, "amin")
    first, order = first.sort()
    segment = torch.empty_like(order).index_copy_(0, order, torch.arange(count, device=device)).index_select(0, key)
    sizes = [index.numel() for index in kept]
    level = torch.arange(len(kept), device=device).repeat_interleave(torch.tensor(sizes, device=device))
    lives = torch.zeros(count, len(kept), dtype=torch.bool, device=device)
    lives[segment, level] = True
    segment_of = [
        torch.full_like(partition.area, -1).index_copy_(0, index, segments)
        for partition, index, segments in zip(partitions, kept, segment.split(sizes), strict=True)
    ]
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
    """Hashes each supernode's set of tokens to 126 random bits, ``[K, 2]``: sums of fixed random keys, which wrap."""
    generator = torch.Generator().manual_seed(0)
    keys = torch.randint(-(2**62), 2**62, (partition.cluster.numel(), 2), generator=generator)
    sums = torch.zeros(partition.area.numel(), 2, dtype=torch.long, device=partition.cluster.device)
    return sums.index_add_(0, partition.cluster, keys.to(sums.device))


def _parents(partitions: Sequence[Partition], segment_of: list[Tensor], count: int, device: torch.device) -> Tensor:
    """Finds the parent of each segment, by the supernodes of the next level that its tokens belong to."""
    parent = torch.full((count,), -1, device=device)
    for finer, segment, coarser, above in zip(partitions, segment_of, partitions[1:], segment_of[1:], strict=False):
        ends = torch.stack([torch.full_like(segment, coarser.area.numel()), torch.full_like(segment, -1)])
        low = ends[0].scatter_reduce(0, finer.cluster, coarser.cluster, "amin")
        high = ends[1].scatter_reduce(0, finer.cluster, coarser.cluster, "amax")
        holder = above.index_select(0, low)
        # a segment that exists at the next level is its own holder there: its parent shows where it ends
        held = ((low == high) & (segment >= 0) & (holder != segment)).nonzero().view(-1)
        parent.index_copy_(0, segment.index_select(0, held), holder.index_select(0, held))
    return parent
