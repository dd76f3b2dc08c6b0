"""How well one division of a photo into regions agrees with another: covering, Rand index, variation of information.

All three are computed from the contingency table of the regions. They follow Arbelaez, Maire, Fowlkes and Malik,
"Contour Detection and Hierarchical Image Segmentation", PAMI 2011.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, Integer

from segmentation.base.inputs import check_integers


@dataclass(frozen=True)
class Regions:
    """A label map with its labels numbered from 0.

    Attributes:
        index: region of each pixel.
        area: number of pixels of each region.
    """

    index: Int64[np.ndarray, " pixels"]
    area: Int64[np.ndarray, " regions"]


@dataclass(frozen=True)
class SharedPixels:
    """The entries of the contingency table of two label maps that are not 0.

    Attributes:
        labels: region of the first map of each entry.
        truth: region of the second map, ascending.
        pixels: number of pixels that they share.
        labels_area: number of pixels of each region of the first map.
        truth_area: number of pixels of each region of the second map.
    """

    labels: Int64[np.ndarray, " entries"]
    truth: Int64[np.ndarray, " entries"]
    pixels: Int64[np.ndarray, " entries"]
    labels_area: Int64[np.ndarray, " label_regions"]
    truth_area: Int64[np.ndarray, " truth_regions"]

    def best_overlaps(self) -> Float[np.ndarray, " truth_regions"]:
        """Returns the IoU of each true region with the region that fits it best."""
        union = self.labels_area[self.labels] + self.truth_area[self.truth] - self.pixels
        starts = np.searchsorted(self.truth, np.arange(self.truth_area.size))
        best: np.ndarray = np.maximum.reduceat(self.pixels / union, starts)
        return best

    def rand_index(self) -> float:
        """Returns the :func:`rand_index`."""
        count = int(self.truth_area.sum())
        apart = _pairs(self.labels_area) + _pairs(self.truth_area) - 2 * _pairs(self.pixels)
        return 1 - apart / (count * (count - 1) // 2) if count > 1 else 1.0

    def variation_of_information(self) -> float:
        """Returns the :func:`variation_of_information`."""
        bits = 2 * _entropy(self.pixels) - _entropy(self.labels_area) - _entropy(self.truth_area)
        return max(bits, 0.0)  # equal maps miss 0 by rounding


def covering(labels: Integer[np.ndarray, "height width"], truth: Integer[np.ndarray, "height width"]) -> float:
    """Computes the covering of the true regions: each one's best IoU with a region of ``labels``, averaged over pixels.

    Args:
        labels: region of each pixel, by any whole numbers.
        truth: region of each pixel by the person or method to agree with.

    Returns:
        A number in (0, 1], 1 for equal divisions. It is not symmetric.

    Raises:
        TypeError: no integer arrays.
        ValueError: no two dimensions, no pixels, or different sizes.

    Example:
        >>> covering(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 1, 2]]))  # 3 pixels at IoU 3/4, 1 at 1/4
        0.625
    """
    shared = _contingency(labels, truth)
    return float(shared.truth_area @ shared.best_overlaps() / shared.truth_area.sum())


def rand_index(labels: Integer[np.ndarray, "height width"], truth: Integer[np.ndarray, "height width"]) -> float:
    """Computes the Rand index: the share of the pairs of pixels that are together in both maps or apart in both.

    Its mean over several annotators is the probabilistic Rand index. Arguments and errors are those of
    :func:`covering`.

    Returns:
        A number in 0 ... 1, 1 for equal divisions (and for a single pixel, which has no pairs).

    Example:
        >>> rand_index(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 1, 2]]))  # 3 of 6 pairs
        0.5
    """
    return _contingency(labels, truth).rand_index()


def variation_of_information(
    labels: Integer[np.ndarray, "height width"], truth: Integer[np.ndarray, "height width"]
) -> float:
    """Computes ``H(labels | truth) + H(truth | labels)`` in **bits**, as in the BSDS benchmark.

    Arguments and errors are those of :func:`covering`.

    Returns:
        A number from 0 on, 0 for equal divisions.

    Example:
        >>> variation_of_information(np.array([[1, 1, 1, 1]]), np.array([[1, 1, 2, 2]]))
        1.0
    """
    return _contingency(labels, truth).variation_of_information()


def _contingency(labels: np.ndarray, truth: np.ndarray) -> SharedPixels:
    numbered = number_regions("labels", labels), number_regions("truth", truth)
    if labels.shape != truth.shape:
        raise ValueError(f"'labels' and 'truth' must have one size, got {labels.shape} and {truth.shape}")
    return shared_pixels(*numbered)


def number_regions(name: str, labels: Integer[np.ndarray, "height width"]) -> Regions:
    """Numbers the regions of a label map; ``name`` is that of the argument in errors."""
    check_integers(name, labels)
    if labels.ndim != 2 or labels.size == 0:
        raise ValueError(f"'{name}' must be a map [height, width] of one pixel or more, got shape {labels.shape}")
    low = labels.min()
    if int(labels.max()) - int(low) >= 4 * labels.size:
        _, index, area = np.unique(labels, return_inverse=True, return_counts=True)
        return Regions(index.reshape(-1).astype(np.int64), area.astype(np.int64))
    # a difference that fits, whatever wraps around on the way to int64
    shifted = np.subtract(labels, low, dtype=np.int64, casting="unsafe").reshape(-1)
    area = np.bincount(shifted)
    return Regions((np.cumsum(area > 0) - 1)[shifted], area[area > 0])


def shared_pixels(labels: Regions, truth: Regions) -> SharedPixels:
    """Computes the contingency table of two divisions of the same pixels."""
    wide = labels.area.size
    entry = truth.index * wide + labels.index
    if wide * truth.area.size <= 4 * entry.size:
        table = np.bincount(entry)
        entries = table.nonzero()[0]
        pixels = table[entries]
    else:
        entries, pixels = np.unique(entry, return_counts=True)
    return SharedPixels(entries % wide, entries // wide, pixels, labels.area, truth.area)


def _pairs(areas: Int64[np.ndarray, " regions"]) -> int:
    return int((areas * (areas - 1) // 2).sum())


def _entropy(areas: Int64[np.ndarray, " regions"]) -> float:
    share = areas / areas.sum()
    return float(-(share * np.log2(share)).sum())
