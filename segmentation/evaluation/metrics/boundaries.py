"""Compares boundaries of regions with those that people drew, as BSDS500 does."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64, Integer, UInt8
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from graphpool.checks import check_number
from segmentation.evaluation.metrics.regions import number_regions

# (row, column) of the eight neighbours, anticlockwise from the right: x1 ... x8 of Guo and Hall
_NEIGHBOURS = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
BSDS_TOLERANCE = 0.0075


def region_boundaries(labels: Integer[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Finds the boundaries of the regions of a label map, thinned to one pixel.

    A pixel is at a boundary if it and its neighbours to the right, below, and below to the right are not all of one
    region; then the boundaries are thinned (Guo and Hall, "Parallel Thinning with Two-Subiteration Algorithms", 1989)
    until nothing changes. BSDS500's ``Boundaries`` follow from its ``Segmentation`` in this way, pixel by pixel.

    Args:
        labels: region of each pixel, by any whole numbers.

    Raises:
        TypeError: no integer array.
        ValueError: no two dimensions, or no pixels.

    Example:
        >>> region_boundaries(np.array([[1, 1, 1, 1], [1, 1, 2, 2], [1, 1, 2, 2]])).astype(int)
        array([[0, 0, 1, 1],
               [0, 1, 0, 0],
               [0, 1, 0, 0]])
    """
    number_regions("labels", labels)
    padded = np.pad(labels, ((0, 1), (0, 1)), mode="edge")
    below, right = padded[1:] != padded[:-1], padded[:, 1:] != padded[:, :-1]
    return thin(below[:, :-1] | below[:, 1:] | right[:-1] | right[1:])


def thin(mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Thins lines to one pixel; what is connected (over corners, too) stays so.

    Example:
        >>> thin(np.array([[0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]], dtype=bool)).astype(int)
        array([[0, 0, 0, 0],
               [0, 0, 0, 0],
               [1, 1, 1, 0]])
    """
    while True:
        thinner = mask
        for removed in _REMOVED:
            thinner = thinner & ~removed[_neighbour_bits(thinner)]
        if (thinner == mask).all():
            return mask
        mask = thinner


def _neighbour_bits(mask: Bool[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """Codes which neighbours of each pixel are set, by one bit each."""
    height, width = mask.shape
    padded = np.pad(mask, 1).view(np.uint8)
    bits = np.zeros(mask.shape, np.uint8)
    for bit, (row, column) in enumerate(_NEIGHBOURS):
        bits |= padded[1 + row : 1 + row + height, 1 + column : 1 + column + width] << np.uint8(bit)
    return bits


def _removals(second: bool) -> Bool[np.ndarray, " 256"]:
    """Tells for all bits of neighbours whether half a round removes a pixel: Guo and Hall's G1, G2 and G3."""
    bits = np.arange(256)
    x = [(bits >> (k - 1) % 8) & 1 == 1 for k in range(10)]  # x[1] ... x[8], and x[9] is x[1] again
    crossings = sum((~x[k] & (x[k + 1] | x[k + 2])).astype(int) for k in (1, 3, 5, 7))
    pairs = [sum((x[k] | x[k + 1]).astype(int) for k in start) for start in ((1, 3, 5, 7), (2, 4, 6, 8))]
    thick = np.minimum(*pairs)
    kept = (x[6] | x[7] | ~x[4]) & x[5] if second else (x[2] | x[3] | ~x[8]) & x[1]
    return (crossings == 1) & (thick >= 2) & (thick <= 3) & ~kept


_REMOVED = (_removals(second=False), _removals(second=True))


class BoundaryCounts(NamedTuple):
    """Numbers of boundary pixels of one photo, or of several, at each level.

    Attributes:
        predicted: predicted pixels, ``[levels]``.
        right: predicted pixels that match a pixel of any annotator, ``[levels]``.
        drawn: pixels of all annotators together.
        found: pixels of annotators that match a predicted one, ``[levels]``.
    """

    predicted: Int64[np.ndarray, " levels"]
    right: Int64[np.ndarray, " levels"]
    drawn: int
    found: Int64[np.ndarray, " levels"]

    def precision(self) -> Float[np.ndarray, " levels"]:
        """Returns the share of the predicted pixels that are right; 0 where there are none."""
        return self.right / np.maximum(self.predicted, 1)

    def recall(self) -> Float[np.ndarray, " levels"]:
        """Returns the share of the drawn pixels that are found; 0 where there are none."""
        return self.found / max(self.drawn, 1)

    def f_measure(self) -> Float[np.ndarray, " levels"]:
        """Returns the harmonic mean of precision and recall; 0 where both are 0."""
        precision, recall = self.precision(), self.recall()
        total = precision + recall
        return 2 * precision * recall / np.where(total > 0, total, 1)

    def at(self, level: int) -> "BoundaryCounts":
        """Returns the counts of one level."""
        one = slice(level, level + 1)
        return BoundaryCounts(self.predicted[one], self.right[one], self.drawn, self.found[one])


def add_counts(photos: Sequence[BoundaryCounts]) -> BoundaryCounts:
    """Adds up the counts of photos."""
    return BoundaryCounts(*(np.sum(counts, axis=0) for counts in zip(*photos, strict=True)))


def count_boundaries(
    levels: Integer[np.ndarray, "levels height width"],
    boundaries: Sequence[Bool[np.ndarray, "height width"]],
    tolerance: float = BSDS_TOLERANCE,
) -> BoundaryCounts:
    """Compares the boundaries of one photo's label maps with those of its annotators.

    Args:
        levels: region of each pixel at each level.
        boundaries: boundary pixels that each annotator drew.
        tolerance: see :func:`match_boundaries`.

    Raises:
        TypeError: no integer levels, no Boolean boundaries, or no number for ``tolerance``.
        ValueError: maps of different sizes, or a tolerance out of its range.

    Example:
        >>> people = [region_boundaries(np.array([[1, 1, 2, 2]])), region_boundaries(np.array([[1, 2, 2, 3]]))]
        >>> counts = count_boundaries(np.array([[[1, 1, 2, 2]], [[1, 1, 1, 1]]]), people)
        >>> counts.precision(), counts.recall()
        (array([1., 0.]), array([0.33333333, 0.        ]))
    """
    predicted, right, found = np.zeros((3, len(levels)), np.int64)
    for level, labels in enumerate(levels):
        mask = region_boundaries(labels)
        matched = np.zeros(mask.size, bool)
        for drawn in boundaries:
            pixels, _ = match_boundaries(mask, drawn, tolerance)
            matched[pixels] = True
            found[level] += pixels.size
        predicted[level], right[level] = mask.sum(), matched.sum()
    return BoundaryCounts(predicted, right, sum(int(drawn.sum()) for drawn in boundaries), found)


def match_boundaries(
    predicted: Bool[np.ndarray, "height width"],
    truth: Bool[np.ndarray, "height width"],
    tolerance: float = BSDS_TOLERANCE,
) -> Int64[np.ndarray, "2 pairs"]:
    """Pairs as many predicted and true boundary pixels as can be, each pixel once, with the smallest sum of distances.

    Reference: Martin, Fowlkes and Malik, "Learning to Detect Natural Image Boundaries Using Local Brightness, Color,
    and Texture Cues", PAMI 2004.

    Args:
        predicted: boundary pixels.
        truth: boundary pixels of one annotator.
        tolerance: largest distance in a pair, as a share of the photo's diagonal, above 0 and at most 1.

    Returns:
        Places of the paired pixels in the flattened maps: of ``predicted``, and of ``truth``.

    Raises:
        TypeError: no Boolean arrays, or no number for ``tolerance``.
        ValueError: no two dimensions, different sizes, or a tolerance out of its range.

    Example:
        >>> one, other = np.zeros((2, 5, 12), bool)
        >>> one[:, 3] = other[:, 4] = other[0, 9] = True
        >>> match_boundaries(one, other).shape, match_boundaries(one, other, tolerance=0.1).shape  # of 13 pixels
        ((2, 0), (2, 5))
    """
    for name, mask in (("predicted", predicted), ("truth", truth)):
        if not isinstance(mask, np.ndarray) or mask.dtype != bool:
            kind = f"{mask.dtype} array" if isinstance(mask, np.ndarray) else type(mask).__name__
            raise TypeError(f"'{name}' must be a numpy array of bool, got {kind}")
    if predicted.ndim != 2 or predicted.shape != truth.shape:
        raise ValueError(
            f"'predicted' and 'truth' must be maps [height, width] of one size, got {predicted.shape} and {truth.shape}"
        )
    reach = check_number("tolerance", tolerance, 0, 1, open_low=True) * float(np.hypot(*predicted.shape))
    ours, theirs = np.flatnonzero(predicted), np.flatnonzero(truth)
    if not ours.size or not theirs.size:
        return np.empty((2, 0), np.int64)
    trees = [cKDTree(np.argwhere(mask)) for mask in (truth, predicted)]
    near = trees[0].sparse_distance_matrix(trees[1], reach, output_type="ndarray")
    if not near.size:
        return np.empty((2, 0), np.int64)
    rows, row = np.unique(near["i"], return_inverse=True)
    columns, column = np.unique(near["j"], return_inverse=True)
    # each row may stay alone, in a column of its own, at a price above that of all pairs together; a price of 0 would
    # be no edge
    alone = np.full(rows.size, (reach + 1) * rows.size + 1)
    own = np.arange(rows.size)
    price = csr_array(
        (np.append(near["v"] + 1, alone), (np.append(row, own), np.append(column, columns.size + own))),
        shape=(rows.size, columns.size + rows.size),
    )
    matched_row, matched_column = min_weight_full_bipartite_matching(price)
    paired = matched_column < columns.size
    return np.stack([ours[columns[matched_column[paired]]], theirs[rows[matched_row[paired]]]])
