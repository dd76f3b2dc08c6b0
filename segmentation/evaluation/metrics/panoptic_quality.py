"""Panoptic quality, as COCO's panoptic API counts it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer

from segmentation.evaluation.metrics.segment_matching import MatchedSegments, PredictedSegment, match_segments
from segmentation.evaluation.truth.truth_maps import TruthSegment


class Quality(NamedTuple):
    """Panoptic, segmentation and recognition quality, in percent. Of one class, ``pq`` is ``sq * rq / 100``."""

    pq: float
    sq: float
    rq: float


@dataclass(frozen=True)
class PanopticScores:
    """Qualities of classes and their means.

    Attributes:
        all: mean over all classes that have a quality; ``None`` where none has.
        things: mean over those of things.
        stuff: mean over those of stuff.
        per_class: by id of the category; ``None`` where no photo has such a segment, true or predicted.
        classless: number of predicted segments without a class, but for those that are mostly void. Means are over
            classes, so these are in none as false positives; the true segments that they cover are missed, and count.
    """

    all: Quality | None
    things: Quality | None
    stuff: Quality | None
    per_class: dict[int, Quality | None]
    classless: int


class PanopticQuality:
    r"""Adds up photos for their panoptic quality.

    Of each class, with TP pairs of a true and a predicted segment whose IoU is above 0.5, FP predicted segments that
    are left over, and FN true ones,

    .. math:: PQ = \frac{\sum_{TP} IoU}{TP + FP / 2 + FN / 2}, \quad
        SQ = \frac{\sum_{TP} IoU}{TP}, \quad RQ = \frac{TP}{TP + FP / 2 + FN / 2} .

    Void pixels of the truth do not count in the union. A predicted segment that is left over is no error if more than
    half of it is void or crowd of its own class. Crowds are neither matched nor missed.

    Reference: Kirillov, He, Girshick, Rother and Dollár, "Panoptic Segmentation", CVPR 2019. The numbers are those of
    its authors' ``panopticapi``, but for photos with several crowds of a class: there the last one counts, here all do.

    Args:
        categories: every class once.
        class_agnostic: all classes of things are one, whose score has the id of the first; a predicted thing may have
            the id of any.

    Raises:
        ValueError: an id that is used twice.

    Example:
        >>> quality = PanopticQuality([(1, True), (2, False)])
        >>> truth, found = np.array([[1, 1, 1, 2, 2, 2, 0]]), np.array([[3, 3, 3, 3, 4, 4, 4]])
        >>> quality.update(truth, [TruthSegment(1, 1), TruthSegment(2, 2)],
        ...                found, [PredictedSegment(3, 1), PredictedSegment(4, 2)])
        >>> quality.compute().things
        Quality(pq=75.0, sq=75.0, rq=100.0)
    """

    def __init__(self, categories: Sequence[tuple[int, bool]], *, class_agnostic: bool = False) -> None:
        ids = [category for category, _ in categories]
        if len(set(ids)) < len(ids):
            raise ValueError(f"'categories' must have each id once, got {ids}")
        things = [category for category, is_thing in categories if is_thing]
        merged = things[1:] if class_agnostic else []
        self._is_thing = {category: is_thing for category, is_thing in categories if category not in merged}
        self._place: dict[int, int] = {category: place for place, category in enumerate(self._is_thing)}
        self._place.update((category, self._place[things[0]]) for category in merged)
        self._photos: list[MatchedSegments] = []

    @property
    def num_photos(self) -> int:
        """Photos so far."""
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
            truth_segments: what the ids are. One without pixels is missed.
            predicted_ids: predicted segment of each pixel, 0 for none.
            predicted_segments: what the ids are; each has pixels.

        Raises:
            TypeError: no integer maps.
            ValueError: different sizes, no pixels, an id of a map that no segment has, a predicted segment without
                pixels, an id that two segments have or that is not above 0, or a category that there is not.
        """
        self._photos.append(match_segments(truth_ids, truth_segments, predicted_ids, predicted_segments, self._place))

    def merge(self, other: "PanopticQuality") -> None:
        """Adds the photos of another one, behind its own.

        Raises:
            ValueError: it has other categories.
        """
        if self._place != other._place:
            raise ValueError(f"'other' must have the categories {list(self._place)}, got {list(other._place)}")
        self._photos += other._photos

    def compute(self) -> PanopticScores:
        """The qualities of all photos so far."""
        qualities = self._qualities(np.ones((1, self.num_photos)))[0]
        per_class = {
            category: None if np.isnan(row[0]) else Quality(*row.tolist())
            for category, row in zip(self._is_thing, qualities, strict=True)
        }
        classless = sum(photo.classless for photo in self._photos)
        every, things, stuff = (self._mean(qualities, kind) for kind in (None, True, False))
        return PanopticScores(every, things, stuff, per_class, classless)

    def resampled(self, weights: Float[np.ndarray, "samples photos"]) -> dict[str, Float[np.ndarray, " samples"]]:
        """``PQ``, ``SQ`` and ``RQ`` of all classes if each photo were there so many times; NaN where none has one.

        Args:
            weights: how many times, of each photo.
        """
        means = [self._mean(qualities, None) for qualities in self._qualities(np.asarray(weights, np.float64))]
        nothing = Quality(np.nan, np.nan, np.nan)
        rows = np.array([nothing if mean is None else mean for mean in means]).reshape(-1, 3)
        return dict(zip(("PQ", "SQ", "RQ"), rows.T, strict=True))

    def _qualities(self, weights: Float[np.ndarray, "samples photos"]) -> Float[np.ndarray, "samples classes 3"]:
        """PQ, SQ and RQ; NaN of a class without segments."""
        overlap, matched, true, predicted = (
            weights @ np.array([photo[part] for photo in self._photos], np.float64).reshape(-1, len(self._is_thing))
            for part in range(4)
        )
        segments = (true + predicted) / 2  # TP + FP / 2 + FN / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            sq = np.where(matched > 0, 100 * overlap / matched, np.where(segments > 0, 0, np.nan))
            return np.stack([100 * overlap / segments, sq, 100 * matched / segments], axis=-1)

    def _mean(self, qualities: Float[np.ndarray, "classes 3"], things: bool | None) -> Quality | None:
        """Over all classes, or those of things or of stuff."""
        chosen = np.array([things is None or is_thing == things for is_thing in self._is_thing.values()], dtype=bool)
        rows = qualities[chosen & ~np.isnan(qualities[:, 0])]
        return Quality(*rows.mean(axis=0).tolist()) if len(rows) else None
