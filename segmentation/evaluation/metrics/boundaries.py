"""Boundaries of regions against those that people drew, as BSDS500 scores them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64, Integer, UInt8
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from graphpool.checks import check_number
from segmentation.evaluation.metrics.regions import number_regions

# the eight neighbours, (row, column), anticlockwise from the right: x1 ... x8 of Guo and Hall
_AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
BSDS_TOLERANCE = 0.0075


def region_boundaries(labels: Integer[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Boundaries of the regions of a label map, thinned to one pixel.

    A pixel is at a boundary if it and its neighbours to the right, below, and below to the right are not all of one
    region; then the boundaries are thinned (Guo and Hall, "Parallel Thinning with Two-Subiteration Algorithms", 1989)
    until nothing changes. This makes the ``Boundaries`` of BSDS500's files of their ``Segmentation``, pixel by pixel.

    Args:
        labels: a region for each pixel; any whole numbers, each of which is one region.

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
    here = np.pad(labels, ((0, 1), (0, 1)), mode="edge")
    rows, columns = here[1:] != here[:-1], here[:, 1:] != here[:, :-1]
    return thin(rows[:, :-1] | rows[:, 1:] | columns[:-1] | columns[1:])


def thin(mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Lines of one pixel in the place of thicker ones; what was connected (over corners, too) stays so.

    Example:
        >>> thin(np.array([[0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1]], dtype=bool)).astype(int)
        array([[0, 0, 0, 0],
               [0, 0, 0, 0],
               [1, 1, 1, 0]])
    """
    while True:
        thinner = mask
        for removed in _REMOVED:
            thinner = thinner & ~removed[_neighbours(thinner)]
        if (thinner == mask).all():
            return mask
        mask = thinner


def _neighbours(mask: Bool[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
    """Which neighbours of each pixel are set: one bit each."""
    height, width = mask.shape
    padded = np.pad(mask, 1).view(np.uint8)
    code = np.zeros(mask.shape, np.uint8)
    for bit, (row, column) in enumerate(_AROUND):
        code |= padded[1 + row : 1 + row + height, 1 + column : 1 + column + width] << np.uint8(bit)
    return code


def _removals(second: bool) -> Bool[np.ndarray, " 256"]:
    """Whether one half of a round removes a pixel, by the bits of its neighbours: Guo and Hall's G1, G2 and G3."""
    bits = np.arange(256)
    x = [(bits >> (k - 1) % 8) & 1 == 1 for k in range(10)]  # x[1] ... x[8], and x[9] is x[1] again
    crossings = sum((~x[k] & (x[k + 1] | x[k + 2])).astype(int) for k in (1, 3, 5, 7))
    pairs = [sum((x[k] | x[k + 1]).astype(int) for k in start) for start in ((1, 3, 5, 7), (2, 4, 6, 8))]
    thick = np.minimum(*pairs)
    kept = (x[6] | x[7] | ~x[4]) & x[5] if second else (x[2] | x[3] | ~x[8]) & x[1]
    return (crossings == 1) & (thick >= 2) & (thick <= 3) & ~kept


_REMOVED = (_removals(second=False), _removals(second=True))


@dataclass(frozen=True)
class BoundaryCounts:
    """The boundary pixels of one photo, or of several, at each level.

    Attributes:
        predicted: those of the level, ``[levels]``.
        right: of these, those that match a pixel of any annotator, ``[levels]``.
        drawn: those of all annotators together.
        found: of these, those that match a pixel of the level, ``[levels]``.
    """

    predicted: Int64[np.ndarray, " levels"]
    right: Int64[np.ndarray, " levels"]
    drawn: int
    found: Int64[np.ndarray, " levels"]

    def precision(self) -> Float[np.ndarray, " levels"]:
        """Share of the predicted pixels that are right; 0 where there are none."""
        return self.right / np.maximum(self.predicted, 1)

    def recall(self) -> Float[np.ndarray, " levels"]:
        """Share of the drawn pixels that are found; 0 where there are none."""
        return self.found / max(self.drawn, 1)

    def f_measure(self) -> Float[np.ndarray, " levels"]:
        """Harmonic mean of both; 0 where both are 0."""
        precision, recall = self.precision(), self.recall()
        both = precision + recall
        return 2 * precision * recall / np.where(both > 0, both, 1)

    def at(self, level: int) -> "BoundaryCounts":
        """The counts of one level."""
        one = slice(level, level + 1)
        return BoundaryCounts(self.predicted[one], self.right[one], self.drawn, self.found[one])


def add_counts(photos: Sequence[BoundaryCounts]) -> BoundaryCounts:
    """The counts of several photos together."""
    return BoundaryCounts(
        predicted=np.sum([photo.predicted for photo in photos], axis=0),
        right=np.sum([photo.right for photo in photos], axis=0),
        drawn=sum(photo.drawn for photo in photos),
        found=np.sum([photo.found for photo in photos], axis=0),
    )


def count_boundaries(
    levels: Integer[np.ndarray, "levels height width"],
    boundaries: Sequence[Bool[np.ndarray, "height width"]],
    tolerance: float = BSDS_TOLERANCE,
) -> BoundaryCounts:
    """One photo's label maps against the boundaries of its annotators.

    Args:
        levels: region of each pixel at each level; their boundaries are those of
            :func:`~segmentation.evaluation.metrics.region_boundaries`.
        boundaries: those that each annotator drew.
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
        hit = np.zeros(mask.size, bool)
        for drawn in boundaries:
            ours, _ = match_boundaries(mask, drawn, tolerance)
            hit[ours] = True
            found[level] += ours.size
        predicted[level], right[level] = mask.sum(), hit.sum()
    return BoundaryCounts(predicted, right, sum(int(drawn.sum()) for drawn in boundaries), found)


def match_boundaries(
    predicted: Bool[np.ndarray, "height width"],
    truth: Bool[np.ndarray, "height width"],
    tolerance: float = BSDS_TOLERANCE,
) -> Int64[np.ndarray, "2 pairs"]:
    """As many pairs of a predicted and a true boundary pixel as there can be, each pixel in one pair at most.

    Of all sets of so many pairs it is one with the smallest sum of distances. Reference: Martin, Fowlkes and Malik,
    "Learning to Detect Natural Image Boundaries Using Local Brightness, Color, and Texture Cues", PAMI 2004.

    Args:
        predicted: boundary pixels.
        truth: boundary pixels of one annotator.
        tolerance: how far the pixels of a pair may be apart, as a share of the diagonal of the photo, above 0 and at
            most 1.

    Returns:
        Places of the pixels in the maps, row by row: those of ``predicted`` and, behind them, those of ``truth``.

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
    row, column = _assign(near["i"], near["j"], near["v"], reach)
    return np.stack([ours[column], theirs[row]])


def _assign(
    row: Int64[np.ndarray, " edges"],
    column: Int64[np.ndarray, " edges"],
    distance: Float[np.ndarray, " edges"],
    reach: float,
) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
    """The most pairs, of these those with the smallest sum of distances."""
    if not row.size:
        return row, column
    rows, row = np.unique(row, return_inverse=True)
    columns, column = np.unique(column, return_inverse=True)
    # each row may stay alone, in a column of its own, at a price above that of all pairs together; a price of 0 would
    # be no edge
    alone = np.full(rows.size, (reach + 1) * rows.size + 1)
    own = np.arange(rows.size)
    cost = csr_array(
        (np.append(distance + 1, alone), (np.append(row, own), np.append(column, columns.size + own))),
        shape=(rows.size, columns.size + rows.size),
    )
    pair_row, pair_column = min_weight_full_bipartite_matching(cost)
    paired = pair_column < columns.size
    return rows[pair_row[paired]], columns[pair_column[paired]]
