"""Candidates: the segments of a photo before scoring."""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor

Grid = tuple[int, int]  # rows and columns of tokens


@dataclass(frozen=True)
class Candidates:
    """The segments of one kind of one photo before scoring: every distinct set of tokens once, finest first.

    Attributes:
        masks: masks over the photo's token grid, ``[S, rows, columns]``.
        levels: levels at which each segment lives, ``[S, num_levels]``.
        parent: index of the smallest segment that contains each, ``[S]``; -1 for none.
        features: features of each segment, as the hierarchy returned them, ``[S, channels]``.
        labels: supernode of each token at every level, those below the smallest area too, numbered from 0 in each
            level, ``[num_levels, rows, columns]``.
    """

    masks: Bool[Tensor, "segments rows columns"]
    levels: Bool[Tensor, "segments levels"]
    parent: Int[Tensor, " segments"]
    features: Float[Tensor, "segments channels"]
    labels: Int[Tensor, "levels rows columns"]
