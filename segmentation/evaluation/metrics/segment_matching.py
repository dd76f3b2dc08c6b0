"""The true and predicted segments of one photo, matched as COCO's panoptic API does it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64, Integer

from segmentation.base.inputs import check_integers
from segmentation.evaluation.metrics.regions import Regions, shared_pixels
from segmentation.evaluation.truth.truth_maps import TruthSegment

_VOID, _CLASSLESS = -1, -2  # where others have the place of their category


class PredictedSegment(NamedTuple):
    """A predicted segment.

    Attributes:
        id: its value in the map, from 1.
        category: id of its category; ``None`` where its cluster stands for no class.
    """

    id: int
    category: int | None


class MatchedSegments(NamedTuple):
    """What counts of one photo, of each class.

    Attributes:
        overlap: IoU of the matched pairs, added up.
        matched: number of these pairs.
        true: number of true segments, but for crowds.
        predicted: number of predicted segments, but for those that are no error though they are not matched.
        classless: number of predicted segments without a class, but for those that are mostly void.
    """

    overlap: Float64[np.ndarray, " classes"]
    matched: Int64[np.ndarray, " classes"]
    true: Int64[np.ndarray, " classes"]
    predicted: Int64[np.ndarray, " classes"]
    classless: int


@dataclass(frozen=True)
class _Segments:
    """Segments of a map, the first of which is void.

    Attributes:
        regions: of the map; segments that it does not show have no area.
        place: of each, the place of its category; ``_VOID`` or ``_CLASSLESS`` where it has none.
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
    """Matches the segments of a photo: those of equal category that share most of their union.

    Args:
        truth_ids: true segment of each pixel, 0 for void.
        truth_segments: what the ids are. One without pixels is missed.
        predicted_ids: predicted segment of each pixel, 0 for none.
        predicted_segments: what the ids are; each has pixels.
        place_of: class of each category, from 0 without gaps.

    Raises:
        TypeError, ValueError: see :meth:`segmentation.evaluation.metrics.panoptic_quality.PanopticQuality.update`.

    Example:
        >>> truth, found = np.array([[1, 1, 1, 0]]), np.array([[7, 7, 0, 0]])
        >>> match_segments(truth, [TruthSegment(1, 5)], found, [PredictedSegment(7, 5)], {5: 0}).overlap
        array([0.66666667])
    """
    truth = _read("truth", truth_ids, truth_segments, place_of)
    of_found: dict[int | None, int] = {None: _CLASSLESS}
    for category, place in place_of.items():
        of_found[category] = place
    found = _read("predicted", predicted_ids, predicted_segments, of_found)
    if truth_ids.shape != predicted_ids.shape:
        raise ValueError(
            f"'truth_ids' and 'predicted_ids' must have one size, got {truth_ids.shape} and {predicted_ids.shape}"
        )
    unseen = found.regions.area[1:] == 0
    if unseen.any():
        numbers = [segment.id for segment, is_unseen in zip(predicted_segments, unseen, strict=True) if is_unseen]
        raise ValueError(
            f"'predicted_ids' must have pixels of every one of 'predicted_segments', got none of {sorted(numbers)}"
        )
    crowd = np.array([False, *(segment.is_crowd for segment in truth_segments)])
    return _match(truth, crowd, found, 1 + max(place_of.values(), default=-1))


def _match(truth: _Segments, crowd: Bool[np.ndarray, " true"], found: _Segments, classes: int) -> MatchedSegments:
    table = shared_pixels(found.regions, truth.regions)
    real = table.labels > 0  # what is predicted as void is no segment
    void = truth.place[table.truth] == _VOID
    same = real & (truth.place[table.truth] == found.place[table.labels]) & ~void
    crowded = same & crowd[table.truth]

    def of_found(entries: Bool[np.ndarray, " entries"]) -> Float[np.ndarray, " found"]:
        return np.bincount(table.labels, table.pixels * entries, found.place.size)

    union = table.truth_area[table.truth] + (table.labels_area - of_found(void))[table.labels] - table.pixels
    match = same & ~crowded & (2 * table.pixels > union)
    matched = np.zeros(found.place.size, dtype=bool)
    matched[table.labels[match]] = True  # above one half, no segment has two
    ignored = ~matched & (2 * of_found(void | crowded) > table.labels_area)
    places = found.place[table.labels[match]]
    return MatchedSegments(
        overlap=np.bincount(places, table.pixels[match] / union[match], classes),
        matched=np.bincount(places, minlength=classes),
        true=np.bincount(truth.place[1:][~crowd[1:]], minlength=classes),
        predicted=np.bincount(found.place[(found.place >= 0) & ~ignored], minlength=classes),
        classless=int(((found.place == _CLASSLESS) & ~ignored).sum()),
    )


def _read(
    name: str,
    ids: np.ndarray,
    segments: Sequence[TruthSegment] | Sequence[PredictedSegment],
    place_of: Mapping[int | None, int] | Mapping[int, int],
) -> _Segments:
    """Checks a map and its segments."""
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
    places = [_VOID, *(place_of[segment.category] for segment in segments)]  # type: ignore[index]
    regions = Regions(index, np.bincount(index, minlength=len(places)))
    return _Segments(regions, np.array(places))


def number_ids(
    ids: Integer[np.ndarray, " pixels"], known: Int64[np.ndarray, " segments"]
) -> tuple[Int64[np.ndarray, " pixels"], list[int]]:
    """The place of each id among the known ones, and the ids that are not among them.

    Ids have up to 24 bits and are few: their remainders by a number at which no two are equal find them in a small
    table, several times as fast as sorting or searching does.

    Args:
        ids: of the pixels.
        known: each once.

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
