"""Chooses colours for segments, such that neighbours differ and a segment keeps its colour over the levels."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from graphpool.checks import check_count

_LIGHTNESS_CHROMA = ((0.76, 0.14), (0.86, 0.11), (0.68, 0.17), (0.81, 0.09), (0.72, 0.11))
_HUES = 48
_FIRST_HUE = 250.0  # degrees: a blue
_CLEARLY_APART = 0.18  # OKLab distance beyond which two colours cannot be mistaken for each other
_REUSE_PENALTY = 0.04  # OKLab distance that a colour must be better by for each earlier use
# https://bottosson.github.io/posts/oklab/
_LMS_FROM_LAB = np.array(
    [[1.0, 0.3963377774, 0.2158037573], [1.0, -0.1055613458, -0.0638541728], [1.0, -0.0894841775, -1.2914855480]]
)
_RGB_FROM_LMS = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)
_GRID = 256  # neighbours are looked for in masks thinned out to at most this many pixels a side
_REACH = 3  # segments with fewer pixels of that grid between them are neighbours


def palette(count: int) -> UInt8[np.ndarray, "count 3"]:
    """Returns the first sRGB colours of one fixed sequence, each as far as possible from all before it.

    Lightness and chroma are medium, so that the colours show on dark and on bright photos. The sequence repeats after
    240 colours.

    >>> palette(2).tolist()
    [[112, 182, 254], [233, 113, 38]]
    """
    check_count("count", count, 0)
    colours = oklab_to_srgb(_sequence())
    return colours[np.arange(count) % len(colours)]


def distinct_colours(neighbours: Bool[np.ndarray, "count count"]) -> UInt8[np.ndarray, "count 3"]:
    """Returns a colour for each of ``count`` things, such that neighbours are easy to tell apart.

    Greedy and in the given order, so large things belong first: each takes the colour of :func:`palette` that is far
    from those of its neighbours and was used least. ``neighbours`` is symmetric.

    >>> len(np.unique(distinct_colours(~np.eye(20, dtype=bool)), axis=0))
    20
    """
    if neighbours.ndim != 2 or neighbours.shape[0] != neighbours.shape[1]:
        raise ValueError(f"'neighbours' must be a square matrix, got shape {list(neighbours.shape)}")
    candidates = _sequence()[:64]
    distance = np.linalg.norm(candidates[:, None] - candidates, axis=-1)
    uses = np.zeros(len(candidates), dtype=int)
    chosen = np.zeros(len(neighbours), dtype=int)
    for thing, touches in enumerate(neighbours):
        taken = chosen[:thing][touches[:thing]]
        apart = distance[taken].min(axis=0, initial=_CLEARLY_APART)
        chosen[thing] = np.argmax(apart - _REUSE_PENALTY * uses)
        uses[chosen[thing]] += 1
    return oklab_to_srgb(candidates)[chosen]


def tree_colours(
    masks: Bool[np.ndarray, "segments height width"],
    parents: Sequence[int | None] | None = None,
    levels: Sequence[Sequence[int]] | None = None,
) -> UInt8[np.ndarray, "segments 3"]:
    """Returns a colour for each segment, a parent's being that of its largest child.

    So large segments keep their colour while a viewer goes through the levels.

    Args:
        masks: the segments of one photo and kind.
        parents: index of each segment's parent, None at a root; without it no segment has a parent.
        levels: the levels of each segment, from 0 up; without it all are at one level. Only segments at the same level
            can be neighbours.

    Raises:
        ValueError: ``parents`` or ``levels`` do not fit, or the parents form a circle.

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
    leaves, chain = np.unique(_largest_leaves(parents, areas), return_inverse=True)
    size = np.zeros(len(leaves), dtype=int)
    np.maximum.at(size, chain, areas)
    order = np.argsort(-size, kind="stable")
    touches = np.zeros((len(leaves), len(leaves)), dtype=bool)
    for level in {level for own in levels for level in own}:
        present = np.array([segment for segment, own in enumerate(levels) if level in own])
        one, other = _neighbour_pairs(label_map(thin[present]))
        touches[chain[present[one]], chain[present[other]]] = True
    np.fill_diagonal(touches, False)
    colours = np.empty((len(leaves), 3), dtype=np.uint8)
    colours[order] = distinct_colours((touches | touches.T)[np.ix_(order, order)])
    return colours[chain]


def level_colours(levels: Sequence[Bool[np.ndarray, "_ height width"]]) -> list[UInt8[np.ndarray, "_ 3"]]:
    """Returns :func:`tree_colours` for the masks of several levels, finest first, whose parents are not known.

    The parent of a mask is the mask of the next level that contains most of it.
    """
    parents: list[int | None] = []
    for masks, coarser in zip(levels, [*levels, None][1:], strict=True):
        start = len(parents) + len(masks)
        labels = None if coarser is None else label_map(coarser)
        for mask in masks:
            there = np.zeros(0, dtype=int) if labels is None else labels[mask & (labels >= 0)]
            parents.append(start + int(np.bincount(there).argmax()) if there.size else None)
    if not parents:
        return [np.zeros((0, 3), dtype=np.uint8) for _ in levels]
    level_of = [[level] for level, masks in enumerate(levels) for _ in masks]
    colours = tree_colours(np.concatenate([masks for masks in levels if len(masks)]), parents, level_of)
    return np.split(colours, np.cumsum([len(masks) for masks in levels])[:-1])


def label_map(masks: Bool[np.ndarray, "segments height width"]) -> Int[np.ndarray, "height width"]:
    """Returns the smallest segment at each pixel, -1 where there is none.

    >>> label_map(np.array([[[1, 0, 0]], [[1, 1, 0]]], dtype=bool)).tolist()
    [[0, 1, -1]]
    """
    labels = np.full(masks.shape[1:], -1, dtype=np.int32)
    for segment in np.argsort(-_areas(masks), kind="stable"):
        np.copyto(labels, segment, where=masks[segment])
    return labels


def oklab_to_srgb(lab: Float[np.ndarray, "*shape 3"]) -> UInt8[np.ndarray, "*shape 3"]:
    """Converts OKLab colours to sRGB; those that a screen cannot show are clipped.

    >>> oklab_to_srgb(np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])).tolist()
    [[0, 0, 0], [255, 255, 255]]
    """
    linear = np.clip(_linear_rgb(lab), 0.0, 1.0)
    gamma = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colours: np.ndarray = np.rint(255 * gamma).astype(np.uint8)
    return colours


def _linear_rgb(lab: np.ndarray) -> np.ndarray:
    return (lab @ _LMS_FROM_LAB.T) ** 3 @ _RGB_FROM_LMS.T


def _in_gamut(lightness: float, chroma: float, hue: float) -> np.ndarray:
    """Returns the OKLab colour of this lightness and hue, with less chroma where a screen could not show it."""
    angle = np.deg2rad(hue)
    for reduced in np.linspace(chroma, 0.0, 40):
        lab = np.array([lightness, reduced * np.cos(angle), reduced * np.sin(angle)])
        if (np.abs(_linear_rgb(lab) - 0.5) <= 0.5).all():
            break
    return lab


@lru_cache(maxsize=1)
def _sequence() -> np.ndarray:
    """Returns all colours of the palette ``[240, 3]`` in OKLab, each the farthest from those before it."""
    hues = _FIRST_HUE + 360 / _HUES * np.arange(_HUES)
    colours = np.array([_in_gamut(*tone, hue) for tone in _LIGHTNESS_CHROMA for hue in hues])
    order = [0]
    nearest = np.linalg.norm(colours - colours[0], axis=-1)
    while len(order) < len(colours):
        nearest[order] = -1.0
        order.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(colours - colours[order[-1]], axis=-1))
    return colours[order]


def _areas(masks: np.ndarray) -> np.ndarray:
    return np.array([np.count_nonzero(mask) for mask in masks], dtype=int)


def _largest_leaves(parents: Sequence[int | None], areas: np.ndarray) -> np.ndarray:
    """Returns the leaf under each segment that following the largest child leads to."""
    largest_child = np.arange(len(parents))
    for child in np.lexsort((-largest_child, areas)):
        parent = parents[child]
        if parent is not None:
            if not 0 <= parent < len(parents) or parent == child:
                raise ValueError(f"'parents' must be None or another one of {len(parents)} segments, got {parent}")
            largest_child[parent] = child  # the largest comes last, of equal ones the first
    leaf = largest_child
    for _ in range(len(parents).bit_length()):
        leaf = leaf[leaf]
    if (largest_child[leaf] != leaf).any():
        raise ValueError("'parents' must form a forest, got a circle")
    return leaf


def _neighbour_pairs(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pairs of labels that come near each other, in one order or in both."""
    count = int(labels.max()) + 2
    pairs = []
    for step in range(1, _REACH + 1):
        for one, other in ((labels[step:], labels[:-step]), (labels[:, step:], labels[:, :-step])):
            near = (one != other) & (one >= 0) & (other >= 0)
            pairs.append(np.unique(one[near].astype(np.int64) * count + other[near]))
    return tuple(np.divmod(np.unique(np.concatenate(pairs)), count))  # type: ignore[return-value]
