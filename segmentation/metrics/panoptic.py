"""Panoptic quality, as COCO's panoptic API counts it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64, Integer

from segmentation.metrics.regions import Regions, number_regions, shared_pixels

_VOID, _CLASSLESS = -1, -2  # where others have the place of their category


class TruthSegment(NamedTuple):
    """A segment of the ground truth.

    Attributes:
        id: its value in the map, from 1.
        category: id of its category.
        is_crowd: it is a group of things nobody told apart: never matched, never missed.
    """

    id: int
    category: int
    is_crowd: bool = False


class PredictedSegment(NamedTuple):
    """A predicted segment.

    Attributes:
        id: its value in the map, from 1.
        category: id of its category; ``None`` where its cluster stands for no class.
    """

    id: int
    category: int | None


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


@dataclass(frozen=True)
class _Segments:
    """The segments that a map shows.

    Attributes:
        regions: of the map.
        ids: of each region, its value in the map.
        place: of each region, the place of its category; ``_VOID`` or ``_CLASSLESS`` where it has none.
    """

    regions: Regions
    ids: list[int]
    place: Int64[np.ndarray, " regions"]


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
        >>> quality.add(truth, [TruthSegment(1, 1), TruthSegment(2, 2)],
        ...             found, [PredictedSegment(3, 1), PredictedSegment(4, 2)])
        >>> quality.scores().things
        Quality(pq=75.0, sq=75.0, rq=100.0)
    """

    def __init__(self, categories: Sequence[tuple[int, bool]], *, class_agnostic: bool = False) -> None:
        ids = [category for category, _ in categories]
        if len(set(ids)) < len(ids):
            raise ValueError(f"'categories' must have each id once, got {ids}")
        things = [category for category, is_thing in categories if is_thing]
        merged = things[1:] if class_agnostic else []
        self._is_thing = {category: is_thing for category, is_thing in categories if category not in merged}
        self._place: dict[int | None, int] = {category: place for place, category in enumerate(self._is_thing)}
        self._place.update((category, self._place[things[0]]) for category in merged)
        self._overlap = np.zeros(len(self._is_thing))  # IoU of the matched pairs, added up
        self._matched, self._true, self._predicted = np.zeros((3, len(self._is_thing)), np.int64)
        self._classless = 0

    def add(
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
        truth = _read("truth", truth_ids, truth_segments, self._place)
        found = _read("predicted", predicted_ids, predicted_segments, self._place | {None: _CLASSLESS})
        if truth_ids.shape != predicted_ids.shape:
            raise ValueError(
                f"'truth_ids' and 'predicted_ids' must have one size, got {truth_ids.shape} and {predicted_ids.shape}"
            )
        unseen = {segment.id for segment in predicted_segments}.difference(found.ids)
        if unseen:
            raise ValueError(
                f"'predicted_ids' must have pixels of every one of 'predicted_segments', got none of {sorted(unseen)}"
            )
        crowds = {segment.id for segment in truth_segments if segment.is_crowd}
        self._count(truth, np.array([number in crowds for number in truth.ids]), found)
        for segment in truth_segments:
            self._true[self._place[segment.category]] += not segment.is_crowd

    def scores(self) -> PanopticScores:
        """The qualities of all photos so far."""
        per_class = {category: self._quality(self._place[category]) for category in self._is_thing}
        things = [per_class[category] for category, is_thing in self._is_thing.items() if is_thing]
        stuff = [per_class[category] for category, is_thing in self._is_thing.items() if not is_thing]
        return PanopticScores(_mean(things + stuff), _mean(things), _mean(stuff), per_class, self._classless)

    def _quality(self, place: int) -> Quality | None:
        overlap, matched = float(self._overlap[place]), int(self._matched[place])
        segments = (int(self._true[place]) + int(self._predicted[place])) / 2  # TP + FP / 2 + FN / 2
        if not segments:
            return None
        return Quality(100 * overlap / segments, 100 * overlap / matched if matched else 0.0, 100 * matched / segments)

    def _count(self, truth: _Segments, crowd: Bool[np.ndarray, " true"], found: _Segments) -> None:
        """Matches the segments of a photo: those of equal category that share most of their union."""
        table = shared_pixels(found.regions, truth.regions)
        void = truth.place[table.truth] == _VOID
        same = (truth.place[table.truth] == found.place[table.labels]) & ~void
        crowded = same & crowd[table.truth]

        def of_found(entries: Bool[np.ndarray, " entries"]) -> Float[np.ndarray, " found"]:
            return np.bincount(table.labels, table.pixels * entries, found.place.size)

        union = table.truth_area[table.truth] + (table.labels_area - of_found(void))[table.labels] - table.pixels
        match = same & ~crowded & (2 * table.pixels > union)
        matched = np.zeros(found.place.size, dtype=bool)
        matched[table.labels[match]] = True  # above one half, no segment has two
        ignored = ~matched & (2 * of_found(void | crowded) > table.labels_area)
        places = found.place[table.labels[match]]
        np.add.at(self._overlap, places, table.pixels[match] / union[match])
        np.add.at(self._matched, places, 1)
        np.add.at(self._predicted, found.place[(found.place >= 0) & ~ignored], 1)
        self._classless += int(((found.place == _CLASSLESS) & ~ignored).sum())


def _mean(qualities: Sequence[Quality | None]) -> Quality | None:
    found = [quality for quality in qualities if quality is not None]
    return Quality(*(sum(values) / len(found) for values in zip(*found, strict=True))) if found else None


def _read(
    name: str,
    ids: np.ndarray,
    segments: Sequence[TruthSegment] | Sequence[PredictedSegment],
    place_of: Mapping[int | None, int],
) -> _Segments:
    """Checks a map and its segments."""
    category_of = {segment.id: segment.category for segment in segments}
    if len(category_of) < len(segments) or min(category_of, default=1) < 1:
        raise ValueError(
            f"'{name}_segments' must have ids above 0, each once, got {[segment.id for segment in segments]}"
        )
    foreign = [category for category in category_of.values() if category not in place_of]
    if foreign:
        raise ValueError(f"'{name}_segments' must have categories of {list(place_of)}, got {foreign}")
    regions = number_regions(f"{name}_ids", ids)
    values = np.empty(regions.area.size, ids.dtype)
    values[regions.index] = ids.ravel()
    numbers: list[int] = values.tolist()
    strange = set(numbers).difference(category_of) - {0}
    if strange:
        raise ValueError(f"'{name}_ids' must hold 0 and ids of '{name}_segments', got {sorted(strange)}")
    places = [place_of[category_of[number]] if number else _VOID for number in numbers]
    return _Segments(regions, numbers, np.array(places))
