"""The boundaries of regions, one pixel wide, as BSDS500 draws them."""

import numpy as np
from jaxtyping import Bool, Integer, UInt8

from segmentation.evaluation.metrics.regions import number_regions

# the eight neighbours, (row, column), anticlockwise from the right: x1 ... x8 of Guo and Hall
_AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


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
