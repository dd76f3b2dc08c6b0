"""Scores hierarchies of regions against human segmentations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Integer

from graphpool.checks import check_number
from segmentation.evaluation.metrics.boundaries import BoundaryCounts, add_counts, count_boundaries, region_boundaries
from segmentation.evaluation.metrics.regions import number_regions, shared_pixels


@dataclass(frozen=True)
class PhotoLevels:
    """The scores of one photo at each level.

    Attributes:
        covering: covering of the regions of all annotators, ``[levels]``.
        best_covering: covering of each region by the best region of any level.
        pri: Rand index, averaged over the annotators, ``[levels]``.
        voi: variation of information in bits, averaged over the annotators, ``[levels]``.
        pixels: number of pixels of all annotators' maps together, by which the coverings of photos are averaged.
        annotators: number of annotators.
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
    """Scores one photo's label maps against those of its annotators.

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


@dataclass(frozen=True)
class HierarchyScores:
    """How well the levels of hierarchies agree with people's segmentations.

    ODS is the score of the level that is best on the whole data set, OIS that of each photo's own best level.

    Attributes:
        covering: ``ODS``, ``OIS`` and ``best`` (each true region by the best region of any level), 0 ... 1.
        pri: probabilistic Rand index, ``ODS`` and ``OIS``, 0 ... 1.
        voi: variation of information in bits, ``ODS`` and ``OIS``; lower is better.
        levels: threshold of the ODS level by ``covering``, ``PRI``, ``VoI`` and, where there is one, ``boundary``.
        protocol: how the scores were computed, and on how many photos.
        boundary: F-measure of the boundaries, ``ODS`` and ``OIS``, with ``precision`` and ``recall`` of the ODS level,
            0 ... 1; ``None`` if boundaries were not compared.
        notes: photos that were not matched.
    """

    covering: dict[str, float]
    pri: dict[str, float]
    voi: dict[str, float]
    levels: dict[str, float]
    protocol: dict[str, Any]
    boundary: dict[str, float] | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns all but the notes, for a JSON file."""
        return {
            "covering": self.covering,
            "PRI": self.pri,
            "VoI": self.voi,
            **({} if self.boundary is None else {"boundary": self.boundary}),
            "levels": self.levels,
            "protocol": self.protocol,
        }


class HierarchyQuality:
    """Adds up photos for the measures of hierarchies.

    Args:
        thresholds: threshold of each level.
        tolerance: largest distance of matching boundary pixels, as a share of the photo's diagonal, above 0 and at most
            1 (BSDS500's benchmark: 0.0075); ``None`` if boundaries are not compared, which takes most of the time.

    Raises:
        TypeError: no number for ``tolerance``.
        ValueError: a tolerance out of its range.

    Example:
        >>> quality = HierarchyQuality([0.8, 0.4])
        >>> people = np.array([[1, 1, 2, 2]]), np.array([[1, 1, 1, 1]])
        >>> quality.update(np.array([[[1, 1, 2, 2]], [[1, 1, 1, 1]]]), people)
        >>> quality.compute().covering
        {'ODS': 0.75, 'OIS': 0.75, 'best': 1.0}
    """

    def __init__(self, thresholds: Sequence[float], *, tolerance: float | None = None) -> None:
        self.thresholds = [float(threshold) for threshold in thresholds]
        self.tolerance = None if tolerance is None else check_number("tolerance", tolerance, 0, 1, open_low=True)
        self._photos: list[PhotoLevels] = []
        self._boundaries: list[BoundaryCounts] = []

    @property
    def num_photos(self) -> int:
        """Number of photos so far."""
        return len(self._photos)

    def update(
        self,
        levels: Integer[np.ndarray, "levels height width"],
        truths: Sequence[Integer[np.ndarray, "height width"]],
        boundaries: Sequence[Bool[np.ndarray, "height width"]] | None = None,
    ) -> None:
        """Counts one photo; see :func:`~segmentation.evaluation.metrics.score_levels`.

        Args:
            levels: region of each pixel at each level.
            truths: region of each pixel by each annotator.
            boundaries: boundary pixels that each annotator drew; else
                :func:`~segmentation.evaluation.metrics.region_boundaries` of ``truths``.

        Raises:
            TypeError: maps that are no integer arrays, or boundaries that are not Boolean.
            ValueError: another number of levels or of boundaries, no annotators, or maps of different sizes.
        """
        if len(levels) != len(self.thresholds):
            raise ValueError(f"'levels' must be {len(self.thresholds)}, one for each threshold, got {len(levels)}")
        if boundaries is not None and len(boundaries) != len(truths):
            raise ValueError(f"'boundaries' must be {len(truths)}, one for each annotator, got {len(boundaries)}")
        photo = score_levels(levels, truths)
        if self.tolerance is not None:
            drawn = [region_boundaries(truth) for truth in truths] if boundaries is None else boundaries
            self._boundaries.append(count_boundaries(levels, drawn, self.tolerance))
        self._photos.append(photo)

    def merge(self, other: "HierarchyQuality") -> None:
        """Appends the photos of another one.

        Raises:
            ValueError: it has other levels, or another tolerance.
        """
        if self.thresholds != other.thresholds:
            raise ValueError(f"'other' must have the thresholds {self.thresholds}, got {other.thresholds}")
        if self.tolerance != other.tolerance:
            raise ValueError(f"'other' must have the tolerance {self.tolerance}, got {other.tolerance}")
        self._photos += other._photos
        self._boundaries += other._boundaries

    def compute(self) -> HierarchyScores:
        """Returns the scores of all photos so far.

        Raises:
            ValueError: there are none.
        """
        if not self._photos:
            raise ValueError("there must be a photo, got none")
        photos = self._photos
        weight = np.array([photo.pixels for photo in photos])
        weight = weight / weight.sum()
        covering, pri = np.stack([photo.covering for photo in photos]), np.stack([photo.pri for photo in photos])
        voi = np.stack([photo.voi for photo in photos])
        over_photos = {"covering": weight @ covering, "PRI": pri.mean(axis=0), "VoI": -voi.mean(axis=0)}
        levels = {name: self.thresholds[int(values.argmax())] for name, values in over_photos.items()}
        protocol = {
            "annotators": sum(photo.annotators for photo in photos),
            "thresholds": self.thresholds,
            "voi_unit": "bits",
        }
        boundary = None
        if self.tolerance is not None:
            best, boundary = _boundary_scores(self._boundaries)
            levels["boundary"] = self.thresholds[best]
            protocol["boundary_tolerance"] = self.tolerance
        return HierarchyScores(
            covering={
                "ODS": float(over_photos["covering"].max()),
                "OIS": float(weight @ covering.max(axis=1)),
                "best": float(weight @ [photo.best_covering for photo in photos]),
            },
            pri={"ODS": float(over_photos["PRI"].max()), "OIS": float(pri.max(axis=1).mean())},
            voi={"ODS": float(-over_photos["VoI"].max()), "OIS": float(voi.min(axis=1).mean())},
            levels=levels,
            protocol=protocol,
            boundary=boundary,
        )


def _boundary_scores(photos: Sequence[BoundaryCounts]) -> tuple[int, dict[str, float]]:
    """Returns the level that is best on all photos, and the scores."""
    total = add_counts(photos)
    best = int(total.f_measure().argmax())
    own = add_counts([photo.at(int(photo.f_measure().argmax())) for photo in photos])
    return best, {
        "ODS": float(total.f_measure()[best]),
        "OIS": float(own.f_measure()[0]),
        "precision": float(total.precision()[best]),
        "recall": float(total.recall()[best]),
    }
