"""What Online Agglomerative Pooling returns: the segments of every level."""

from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Int
from torch import Tensor

from graphpool.partition import Partition
from graphpool.tree import MergeTree, merge_tree


@dataclass(frozen=True)
class Level:
    """What one OAP layer leaves behind.

    Attributes:
        threshold: the layer's threshold.
        instance: connected regions: :class:`Partition`.
        semantic: regions grouped wherever they lie; ``None`` if not asked for.
    """

    threshold: float
    instance: Partition
    semantic: Partition | None


@dataclass(frozen=True)
class Hierarchy:
    """The levels of Online Agglomerative Pooling on a batch of graphs, finest first.

    Attributes:
        levels: one :class:`Level` for each threshold.
        batch: graph of each token, ``[num_tokens]``.
    """

    levels: tuple[Level, ...]
    batch: Int[Tensor, " tokens"]

    @cached_property
    def instance_tree(self) -> MergeTree:
        """Every distinct instance segment once, with its parent and the levels at which it lived."""
        return merge_tree([level.instance for level in self.levels])

    @cached_property
    def semantic_tree(self) -> MergeTree:
        """The same for semantic segments. They need not be nested: where the next level has no segment that holds all
        of this one, it has no parent.

        Raises:
            ValueError: the hierarchy was made with ``semantic=False``.
        """
        partitions = [level.semantic for level in self.levels if level.semantic is not None]
        if len(partitions) != len(self.levels):
            raise ValueError("'semantic_tree' needs a hierarchy with semantic levels, got one made with semantic=False")
        return merge_tree(partitions)
