"""Partition: the supernode of each token, and the masks of the supernodes that are segments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphpool.checks import describe


@dataclass(frozen=True)
class Partition:
    """Divides the tokens of a batch of graphs into supernodes.

    Supernodes are numbered by their first token, so those of one graph stand together and ``batch`` is sorted.

    Attributes:
        cluster: supernode of each token, ``[num_tokens]``, int64.
        x: feature of each supernode, ``[K, channels]``, rows of unit length, in the dtype of the input.
        area: number of tokens of each supernode, ``[K]``, int64.
        batch: graph of each supernode, ``[K]``, int64.
        keep: which supernodes are segments, that is, have ``min_area`` tokens or more, ``[K]``, bool.
        sizes: number of tokens of each graph, on the host.

    Example:
        >>> from graphpool import OnlineAgglomerativePooling, grid_graph
        >>> tokens = torch.eye(2).repeat_interleave(2, 0)  # the rows of a 2 x 2 grid
        >>> level = OnlineAgglomerativePooling((0.8,), min_area=2)(tokens, grid_graph(2, 2)).levels[0]
        >>> level.instance.cluster, level.instance.area
        (tensor([0, 0, 1, 1]), tensor([2, 2]))
        >>> level.instance.masks((2, 2)).int().tolist()
        [[[1, 1], [0, 0]], [[0, 0], [1, 1]]]
    """

    cluster: Int[Tensor, " tokens"]
    x: Float[Tensor, "supernodes channels"]
    area: Int[Tensor, " supernodes"]
    batch: Int[Tensor, " supernodes"]
    keep: Bool[Tensor, " supernodes"]
    sizes: tuple[int, ...]

    def masks(self, shape: tuple[int, int] | Sequence[tuple[int, int]]) -> Tensor | list[Tensor]:
        """Renders the segments as masks over token grids.

        Args:
            shape: ``(height, width)`` of the token grid of every graph, or one such pair for each graph.

        Returns:
            For one shape ``[S, height, width]``, bool, one mask for each of the S kept supernodes in their order
            (``batch[keep]`` says which graph each belongs to). For a list of shapes a list with the
            ``[S_g, height_g, width_g]`` of each graph.

        Raises:
            TypeError: ``shape`` is no sequence.
            ValueError: a shape with another number of cells than the graph has tokens, or not one for each graph.

        Host syncs: one, and one more for a list of shapes.
        """
        if not isinstance(shape, Sequence):
            raise TypeError(f"'shape' must be (height, width) or a list of such pairs, got {describe(shape)}")
        shapes: Sequence[Any] = [shape] * len(self.sizes) if _is_pair(shape) else shape
        if len(shapes) != len(self.sizes) or not all(map(_is_pair, shapes)):
            raise ValueError(
                "'shape' must be (height, width), or one such pair for each of the "
                f"{len(self.sizes)} graphs, got {shape}"
            )
        for graph, (size, (height, width)) in enumerate(zip(self.sizes, shapes, strict=True)):
            if height * width != size:
                raise ValueError(f"'shape' must have {size} cells, the tokens of graph {graph}, got {(height, width)}")
        kept = self.keep.nonzero().view(-1)
        if _is_pair(shape):
            height, width = shape
            grid = self.cluster.view(len(self.sizes), height * width)
            masks = grid.index_select(0, self.batch.index_select(0, kept)) == kept.unsqueeze(1)
            return masks.view(kept.numel(), height, width)
        kept_of = kept.split(torch.bincount(self.batch.index_select(0, kept), minlength=len(shapes)).tolist())
        tokens_of = self.cluster.split(list(self.sizes))
        return [
            (tokens == kept.unsqueeze(1)).view(kept.numel(), height, width)
            for tokens, kept, (height, width) in zip(tokens_of, kept_of, shapes, strict=True)
        ]


def _is_pair(shape: object) -> TypeGuard[tuple[int, int]]:
    return isinstance(shape, Sequence) and len(shape) == 2 and all(isinstance(side, int) for side in shape)
