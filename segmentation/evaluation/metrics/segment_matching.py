"""Matches the true and predicted segments of a photo, as COCO's panoptic API does."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, Integer

from segmentation.base.inputs import check_integers
from segmentation.evaluation.metrics.regions import Regions, shared_pixels
from segmentation.evaluation.truth.truth_maps import TrueSegments, TruthSegment

_VOID, _CLASSLESS = -1, -2  # where other segments have the place of their category


class PredictedSegment(NamedTuple):
    """A predicted segment.

    Attributes:
        id: value in the map, from 1.
        category: id of the category; ``None`` where the segment's cluster stands for no class.
    """

    id: int
    category: int | None


class MatchedSegments(NamedTuple):
    """What a photo adds to each class's counts.

    Attributes:
        overlap: summed IoU of the matched pairs.
        matched: number of matched pairs.
        true: number of true segments without crowds.
        predicted: number of predicted segments without those that are no error though they are not matched.
        classless: number of predicted segments without a class, and not mostly void.
    """

    overlap: Float64[np.ndarray, " classes"]
    matched: Int64[np.ndarray, " classes"]
    true: Int64[np.ndarray, " classes"]
    predicted: Int64[np.ndarray, " classes"]
    classless: int


class _Segments(NamedTuple):
    """The segments of a map, the first of which is void, and the place of each one's category.

    Void has the place ``_VOID``, a segment without a category ``_CLASSLESS``; those that the map lacks have no area.
    """

    regions: Regions
    place: Int64[np.ndarray, " segments"]


def match_segments(
    truth_ids: Integer[np.ndarray, "height width"],
    truth_segments: Sequence[TruthSegment],
    predicted_ids: Integer[np.ndarray, "height width"],
    predicted_segments: Sequence[PredictedSegment],
    place_of: Mapping[int, int],
) -> MatchedSegments:
    """Matches segments of equal category whose IoU is above one half.

    Arguments and errors are those of :meth:`segmentation.evaluation.metrics.PanopticQuality.update`; ``place_of`` has
    the place of each category, from 0 without gaps.

    Example:
        >>> truth, predicted = np.array([[1, 1, 1, 0]]), np.array([[7, 7, 0, 0]])
        >>> match_segments(truth, [TruthSegment(1, 5)], predicted, [PredictedSegment(7, 5)], {5: 0}).overlap
        array([0.66666667])
    """
    truth = _numbered("truth", truth_ids, truth_segments, place_of)
    predicted = _numbered("predicted", predicted_ids, predicted_segments, {None: _CLASSLESS, **place_of})
    if truth_ids.shape != predicted_ids.shape:
        raise ValueError(
            f"'truth_ids' and 'predicted_ids' must have one size, got {truth_ids.shape} and {predicted_ids.shape}"
        )
    unseen = predicted.regions.area[1:] == 0
    if unseen.any():
        numbers = [segment.id for segment, is_unseen in zip(predicted_segments, unseen, strict=True) if is_unseen]
        raise ValueError(
            f"'predicted_ids' must have pixels of every one of 'predicted_segments', got none of {sorted(numbers)}"
        )
    crowd = np.array([False, *(segment.is_crowd for segment in truth_segments)])
    return _match(truth, crowd, predicted, len(place_of))


def _match(
    truth: _Segments, crowd: Bool[np.ndarray, " true"], predicted: _Segments, num_classes: int
) -> MatchedSegments:
    table = shared_pixels(predicted.regions, truth.regions)
    place = predicted.place
    real = table.labels > 0  # what is predicted as void is no segment
    void = truth.place[table.truth] == _VOID
    same = real & (truth.place[table.truth] == place[table.labels]) & ~void
    crowded = same & crowd[table.truth]

    def pixels_per_segment(entries: Bool[np.ndarray, " entries"]) -> Float[np.ndarray, " predicted"]:
        return np.bincount(table.labels, table.pixels * entries, place.size)

    union = table.truth_area[table.truth] + (table.labels_area - pixels_per_segment(void))[table.labels] - table.pixels
    match = same & ~crowded & (2 * table.pixels > union)
    matched = np.zeros(place.size, dtype=bool)
    matched[table.labels[match]] = True  # above one half, no segment has two
    ignored = ~matched & (2 * pixels_per_segment(void | crowded) > table.labels_area)
    matched_places = place[table.labels[match]]
    return MatchedSegments(
        overlap=np.bincount(matched_places, table.pixels[match] / union[match], num_classes),
        matched=np.bincount(matched_places, minlength=num_classes),
        true=np.bincount(truth.place[1:][~crowd[1:]], minlength=num_classes),
        predicted=np.bincount(place[(place >= 0) & ~ignored], minlength=num_classes),
        classless=int(((place == _CLASSLESS) & ~ignored).sum()),
    )


def _numbered(
    name: str,
    ids: np.ndarray,
    segments: Sequence[TruthSegment] | Sequence[PredictedSegment],
    place_of: Mapping[Any, int],
) -> _Segments:
    """Checks a map and its segments, and numbers them."""
    numbers = [segment.id for segment in segments]
    if len(set(numbers)) < len(numbers) or min(numbers, default=1) < 1:
        raise ValueError(f"'{name}_segments' must have ids above 0, each once, got {numbers}")
    foreign = [segment.category for segment in segments if segment.category not in place_of]
    if foreign:
        raise ValueError(f"'{name}_segments' must have categories of {list(place_of)}, got {foreign}")
    check_integers(f"{name}_ids", ids)
    if ids.ndim != 2 or ids.size == 0:
        raise ValueError(f"'{name}_ids' must be a map [height, width] of one pixel or more, got shape {ids.shape}")
    index, strange = number_ids(ids.reshape(-1), np.array([0, *numbers], dtype=np.int64))
    if strange:
        raise ValueError(f"'{name}_ids' must hold 0 and ids of '{name}_segments', got {strange}")
    places = [_VOID, *(place_of[segment.category] for segment in segments)]
    return _Segments(Regions(index, np.bincount(index, minlength=len(places))), np.array(places))


def number_ids(
    ids: Integer[np.ndarray, " pixels"], known: Int64[np.ndarray, " segments"]
) -> tuple[Int64[np.ndarray, " pixels"], list[int]]:
    """Returns the place of each id in ``known``, which has each id once, and the ids that are not in it.

    Ids have up to 24 bits and are few: their remainders by a number at which no two are equal find them in a small
    table, several times as fast as sorting or searching does.

    Example:
        >>> number_ids(np.array([70000, 0, 9]), np.array([0, 70000]))
        (array([1, 0, 0]), [9])
    """
    divisor = known.size**2
    while len(set((known % divisor).tolist())) < known.size:
        divisor += 1
    table = np.zeros(divisor, np.int64)
    table[known % divisor] = np.arange(known.size)
    if ids.dtype == np.uint64 or divisor >= 2**31:
        index = table[(ids % np.array(divisor, ids.dtype)).astype(np.int64)]
    else:
        index = table[ids % divisor] if ids.dtype.itemsize >= 4 else table[ids.astype(np.int64) % divisor]
    strange = ids[known[index] != ids]
    return index, sorted(set(strange.tolist()))


def void_below_classless(
    truth: TrueSegments, ids: Integer[np.ndarray, "height width"], segments: Sequence[PredictedSegment]
) -> TrueSegments:
    """Makes the pixels of predicted segments without a class void in the truth."""
    classless = [segment.id for segment in segments if segment.category is None]
    if not classless or ids.shape != truth.ids.shape:
        return truth
    kept = np.where(np.isin(ids, classless), 0, truth.ids)
    gone = set(np.unique(truth.ids).tolist()) - set(np.unique(kept).tolist())
    return TrueSegments(kept, [segment for segment in truth.segments if segment.id not in gone])


def join_stuff(
    ids: Integer[np.ndarray, "height width"], segments: Sequence[PredictedSegment], is_thing: Sequence[bool]
) -> tuple[Integer[np.ndarray, "height width"], list[PredictedSegment]]:
    """Makes all stuff of one class one segment. Segments without pixels stay, to be refused later."""
    numbers = np.array([0, *(segment.id for segment in segments)], dtype=np.int64)
    if len(set(numbers.tolist())) < numbers.size:
        return ids, list(segments)  # refused later
    index, _ = number_ids(ids.reshape(-1), numbers)
    has_pixels = np.bincount(index, minlength=numbers.size) > 0
    first: dict[int | None, int] = {}
    kept = []
    for place, segment in enumerate(segments, start=1):
        category = segment.category
        is_stuff = category is not None and not is_thing[category] and has_pixels[place]
        if is_stuff and first.setdefault(category, segment.id) != segment.id:
            ids = np.where(ids == segment.id, first[category], ids)
        else:
            kept.append(segment)
    return ids, kept
