"""Panoptic quality, as COCO's panoptic API counts it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from segmentation.evaluation.metrics.segment_matching import MatchedSegments, PredictedSegment, match_segments
from segmentation.evaluation.truth.truth_maps import TruthSegment


class Quality(NamedTuple):
    """Panoptic, segmentation and recognition quality in percent. For one class, ``pq`` is ``sq * rq / 100``."""

    pq: float
    sq: float
    rq: float


@dataclass(frozen=True)
class PanopticScores:
    """Panoptic qualities of classes, and their means.

    Attributes:
        all: mean over all classes that have a quality; ``None`` where none has.
        things: mean over the classes of things.
        stuff: mean over the classes of stuff.
        per_class: qualities by the category's id; ``None`` where no photo has such a segment, true or predicted.
        classless: number of predicted segments without a class, and not mostly void. Means are over classes, so these
            are in none as false positives; the true segments that they cover are missed, and count.
    """

    all: Quality | None
    things: Quality | None
    stuff: Quality | None
    per_class: dict[int, Quality | None]
    classless: int


class PanopticQuality:
    r"""Adds up photos for their panoptic quality.

    For each class, with TP pairs of a true and a predicted segment whose IoU is above 0.5, FP predicted segments that
    are left over, and FN true ones,

    .. math:: PQ = \frac{\sum_{TP} IoU}{TP + FP / 2 + FN / 2}, \quad
        SQ = \frac{\sum_{TP} IoU}{TP}, \quad RQ = \frac{TP}{TP + FP / 2 + FN / 2} .

    Void pixels of the truth do not count in the union. A predicted segment that is left over is no error if more than
    half of it is void or crowd of its own class. Crowds are neither matched nor missed.

    Reference: Kirillov, He, Girshick, Rother and Dollár, "Panoptic Segmentation", CVPR 2019. The numbers are those of
    its authors' ``panopticapi``, but for photos with several crowds of a class: there the last one counts, here all do.

    Args:
        categories: id of each category, and whether it is of things.

    Raises:
        ValueError: an id that is used twice.

    Example:
        >>> quality = PanopticQuality([(1, True), (2, False)])
        >>> truth, predicted = np.array([[1, 1, 1, 2, 2, 2, 0]]), np.array([[3, 3, 3, 3, 4, 4, 4]])
        >>> quality.update(truth, [TruthSegment(1, 1), TruthSegment(2, 2)],
        ...                predicted, [PredictedSegment(3, 1), PredictedSegment(4, 2)])
        >>> quality.compute().things
        Quality(pq=75.0, sq=75.0, rq=100.0)
    """

    def __init__(self, categories: Sequence[tuple[int, bool]]) -> None:
        ids = [category for category, _ in categories]
        if len(set(ids)) < len(ids):
            raise ValueError(f"'categories' must have each id once, got {ids}")
        self._place = {category: place for place, category in enumerate(ids)}
        self._is_thing = np.array([is_thing for _, is_thing in categories], dtype=bool)
        self._photos: list[MatchedSegments] = []

    @property
    def num_photos(self) -> int:
        """Number of photos so far."""
        return len(self._photos)

    def update(
        self,
        truth_ids: Integer[np.ndarray, "height width"],
        truth_segments: Sequence[TruthSegment],
        predicted_ids: Integer[np.ndarray, "height width"],
        predicted_segments: Sequence[PredictedSegment],
    ) -> None:
        """Counts one photo.

        Args:
            truth_ids: true segment of each pixel, 0 for void.
            truth_segments: segments behind the ids; one without pixels is missed.
            predicted_ids: predicted segment of each pixel, 0 for none.
            predicted_segments: segments behind the ids, each with pixels.

        Raises:
            TypeError: maps that are no integer arrays.
            ValueError: different sizes, no pixels, an id of a map that no segment has, a predicted segment without
                pixels, an id that two segments have or that is not above 0, or a category that there is not.
        """
        self._photos.append(match_segments(truth_ids, truth_segments, predicted_ids, predicted_segments, self._place))

    def merge(self, other: "PanopticQuality") -> None:
        """Appends the photos of another one.

        Raises:
            ValueError: it has other categories.
        """
        if self._place != other._place:
            raise ValueError(f"'other' must have the categories {list(self._place)}, got {list(other._place)}")
        self._photos += other._photos

    def compute(self) -> PanopticScores:
        """Returns the qualities of all photos so far."""
        qualities = self._qualities(np.ones((1, self.num_photos)))[0]
        per_class = {
            category: None if np.isnan(row[0]) else Quality(*row.tolist())
            for category, row in zip(self._place, qualities, strict=True)
        }
        return PanopticScores(
            all=_mean(qualities),
            things=_mean(qualities[self._is_thing]),
            stuff=_mean(qualities[~self._is_thing]),
            per_class=per_class,
            classless=sum(photo.classless for photo in self._photos),
        )

    def resampled(self, weights: Float[np.ndarray, "samples photos"]) -> dict[str, Float[np.ndarray, " samples"]]:
        """Returns ``PQ``, ``SQ`` and ``RQ`` of all classes with other weights of the photos; NaN where no class counts.

        Args:
            weights: how many times each photo counts.
        """
        means = [_mean(qualities) for qualities in self._qualities(np.asarray(weights, np.float64))]
        nothing = Quality(np.nan, np.nan, np.nan)
        rows = np.array([nothing if mean is None else mean for mean in means]).reshape(-1, 3)
        return dict(zip(("PQ", "SQ", "RQ"), rows.T, strict=True))

    def _qualities(self, weights: Float[np.ndarray, "samples photos"]) -> Float[np.ndarray, "samples classes 3"]:
        """Returns PQ, SQ and RQ of each class; NaN of a class without segments."""
        overlap, matched, true, predicted = (
            weights @ np.array([photo[field] for photo in self._photos], np.float64).reshape(-1, len(self._place))
            for field in range(4)
        )
        segments = (true + predicted) / 2  # TP + FP / 2 + FN / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            sq = np.where(matched > 0, 100 * overlap / matched, np.where(segments > 0, 0, np.nan))
            return np.stack([100 * overlap / segments, sq, 100 * matched / segments], axis=-1)


def _mean(qualities: Float[np.ndarray, "classes 3"]) -> Quality | None:
    """Averages the qualities of the classes that have one."""
    rows = qualities[~np.isnan(qualities[:, 0])]
    return Quality(*rows.mean(axis=0).tolist()) if len(rows) else None
