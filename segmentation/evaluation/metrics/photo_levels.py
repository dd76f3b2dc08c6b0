"""The levels of one photo against its annotators."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer

from segmentation.evaluation.metrics.regions import number_regions, shared_pixels


@dataclass(frozen=True)
class PhotoLevels:
    """The scores of one photo at each level.

    Attributes:
        covering: covering of the regions of all annotators, ``[levels]``.
        best_covering: the same, each region by the best region of any level.
        pri: Rand index, averaged over the annotators, ``[levels]``.
        voi: variation of information in bits, averaged over the annotators, ``[levels]``.
        pixels: those of all annotators' maps together, by which the coverings of photos are averaged.
        annotators: their number.
    """

    covering: Float[np.ndarray, " levels"]
    best_covering: float
    pri: Float[np.ndarray, " levels"]
    voi: Float[np.ndarray, " levels"]
    pixels: int
    annotators: int


def score_levels(
    levels: Integer[np.ndarray, "levels height width"], truths: Sequence[Integer[np.ndarray, "height width"]]
) -> PhotoLevels:
    """One photo's label maps against those of its annotators.

    Args:
        levels: region of each pixel at each level.
        truths: region of each pixel by each annotator.

    Raises:
        TypeError: no integer arrays.
        ValueError: no levels, no annotators, or maps of different sizes.

    Example:
        >>> people = np.array([[1, 1, 2, 2]]), np.array([[1, 1, 1, 1]])
        >>> scores = score_levels(np.array([[[1, 1, 2, 2]], [[1, 1, 1, 1]]]), people)
        >>> scores.covering, scores.best_covering
        (array([0.75, 0.75]), 1.0)
    """
    if len(levels) == 0 or len(truths) == 0:
        raise ValueError(f"there must be a level and an annotator, got {len(levels)} and {len(truths)}")
    if {truth.shape for truth in truths} != {levels.shape[1:]}:
        raise ValueError(
            f"'levels' and 'truths' must have one size, got {levels.shape[1:]} and {[truth.shape for truth in truths]}"
        )
    people = [number_regions("truths", truth) for truth in truths]
    area = np.concatenate([regions.area for regions in people])
    overlaps = np.empty((len(levels), area.size))
    rand, information = np.empty((2, len(levels), len(people)))
    for level, labels in enumerate(levels):
        regions = number_regions("levels", labels)
        tables = [shared_pixels(regions, truth) for truth in people]
        overlaps[level] = np.concatenate([table.best_overlaps() for table in tables])
        rand[level] = [table.rand_index() for table in tables]
        information[level] = [table.variation_of_information() for table in tables]
    pixels = int(area.sum())
    return PhotoLevels(
        covering=overlaps @ area / pixels,
        best_covering=float(overlaps.max(axis=0) @ area / pixels),
        pri=rand.mean(axis=1),
        voi=information.mean(axis=1),
        pixels=pixels,
        annotators=len(people),
    )
