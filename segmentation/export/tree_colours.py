"""Colours of the segments of a tree: those side by side differ, and one colour stays from level to level."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int, UInt8

from segmentation.export.palette import distinct_colours

_GRID = 256  # contact is looked up on the masks thinned out to about this many pixels a side
_REACH = 3  # segments with fewer pixels of that grid between them count as neighbours


def tree_colours(
    masks: Bool[np.ndarray, "segments height width"],
    parents: Sequence[int | None] | None = None,
    levels: Sequence[Sequence[int]] | None = None,
) -> UInt8[np.ndarray, "segments 3"]:
    """A colour for each segment. A parent has that of its largest child, so a slider over levels does not flicker.

    Args:
        masks: the segments of one photo and kind.
        parents: index of each one's parent, None at a root; without it there is no tree.
        levels: the levels at which each segment lives, from 0 up; without it all live at one level. Only segments
            that live at one level can be neighbours.

    Raises:
        ValueError: ``parents`` or ``levels`` do not fit, or the parents go round in a circle.

    >>> left, right, both = np.array([[[1, 1, 0]], [[0, 0, 1]], [[1, 1, 1]]], dtype=bool)
    >>> colours = tree_colours(np.stack([left, right, both]), [2, 2, None], [[0], [0], [1]])
    >>> bool((colours[2] == colours[0]).all()), bool((colours[0] == colours[1]).all())
    (True, False)
    """
    parents = [None] * len(masks) if parents is None else parents
    levels = [[0]] * len(masks) if levels is None else levels
    for name, given in (("parents", parents), ("levels", levels)):
        if len(given) != len(masks):
            raise ValueError(f"'{name}' must have one entry for each of the {len(masks)} masks, got {len(given)}")
    if not len(masks):
        return np.zeros((0, 3), dtype=np.uint8)
    thin = masks[:, :: -(-masks.shape[1] // _GRID), :: -(-masks.shape[2] // _GRID)]
    areas = _areas(masks)
    chain = _chains(parents, areas)
    numbers, chain = np.unique(chain, return_inverse=True)
    size = np.zeros(len(numbers), dtype=int)
    np.maximum.at(size, chain, areas)
    order = np.argsort(-size, kind="stable")
    touches = np.zeros((len(numbers), len(numbers)), dtype=bool)
    for level in {level for lives in levels for level in lives}:
        living = np.array([segment for segment, lives in enumerate(levels) if level in lives])
        one, other = _contacts(label_map(thin[living]))
        touches[chain[living[one]], chain[living[other]]] = True
    np.fill_diagonal(touches, False)
    colours = np.empty((len(numbers), 3), dtype=np.uint8)
    colours[order] = distinct_colours((touches | touches.T)[np.ix_(order, order)])
    return colours[chain]


def level_colours(levels: Sequence[Bool[np.ndarray, "_ height width"]]) -> list[UInt8[np.ndarray, "_ 3"]]:
    """:func:`tree_colours` for the masks of several levels, finest first, whose tree is not at hand.

    The parent of a mask is the one of the next level that holds most of it.
    """
    parents: list[int | None] = []
    start = 0
    for masks, coarser in zip(levels, [*levels, None][1:], strict=True):
        start += len(masks)
        labels = None if coarser is None else label_map(coarser)
        parents += [None if labels is None else _most(labels[mask], start) for mask in masks]
    lives = [[level] for level, masks in enumerate(levels) for _ in masks]
    if not lives:
        return [np.zeros((0, 3), dtype=np.uint8) for _ in levels]
    colours = tree_colours(np.concatenate([masks for masks in levels if len(masks)]), parents, lives)
    return np.split(colours, np.cumsum([len(masks) for masks in levels])[:-1])


def label_map(masks: Bool[np.ndarray, "segments height width"]) -> Int[np.ndarray, "height width"]:
    """The segment on top of each pixel, -1 where there is none: larger ones lie below smaller ones.

    >>> label_map(np.array([[[1, 0, 0]], [[1, 1, 0]]], dtype=bool)).tolist()
    [[0, 1, -1]]
    """
    labels = np.full(masks.shape[1:], -1, dtype=np.int32)
    for segment in np.argsort(-_areas(masks), kind="stable"):
        np.copyto(labels, segment, where=masks[segment])
    return labels


def _areas(masks: np.ndarray) -> np.ndarray:
    return np.array([np.count_nonzero(mask) for mask in masks], dtype=int)


def _most(labels: np.ndarray, start: int) -> int | None:
    labels = labels[labels >= 0]
    return start + int(np.bincount(labels).argmax()) if labels.size else None


def _chains(parents: Sequence[int | None], areas: np.ndarray) -> np.ndarray:
    """The leaf that one reaches from each segment by its largest child, and the largest of that."""
    heirs = np.arange(len(parents))
    for child in np.lexsort((-heirs, areas)):
        parent = parents[child]
        if parent is not None:
            if not 0 <= parent < len(parents) or parent == child:
                raise ValueError(f"'parents' must be None or another one of {len(parents)} segments, got {parent}")
            heirs[parent] = child  # the largest comes last, of equal ones the first
    leaf = heirs
    for _ in range(len(parents).bit_length()):
        leaf = leaf[leaf]
    if (heirs[leaf] != leaf).any():
        raise ValueError("'parents' must form a forest, got a circle")
    return leaf


def _contacts(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of segments that come near each other, each pair once or more."""
    count = int(labels.max()) + 2
    pairs = []
    for step in range(1, _REACH + 1):
        for one, other in ((labels[step:], labels[:-step]), (labels[:, step:], labels[:, :-step])):
            near = (one != other) & (one >= 0) & (other >= 0)
            pairs.append(np.unique(one[near].astype(np.int64) * count + other[near]))
    return tuple(np.divmod(np.unique(np.concatenate(pairs)), count))  # type: ignore[return-value]
