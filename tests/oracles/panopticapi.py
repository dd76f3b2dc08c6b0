"""COCO's panoptic API by the letter: one photo at a time, dictionaries of areas, every rule a branch."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

VOID = 0


class Segment(NamedTuple):
    id: int
    category: int
    crowd: bool = False


class Photo(NamedTuple):
    truth: np.ndarray
    true: Sequence[Segment]
    found: np.ndarray
    predicted: Sequence[Segment]


def literal_pq(photos: Iterable[Photo], categories: Sequence[int]) -> Mapping[int, tuple[float, float, float] | None]:
    """PQ, SQ and RQ of each category, as shares. A photo has at most one crowd of a category."""
    iou: dict[int, float] = defaultdict(float)
    tp: dict[int, int] = defaultdict(int)
    fp: dict[int, int] = defaultdict(int)
    fn: dict[int, int] = defaultdict(int)
    for photo in photos:
        true = {segment.id: segment for segment in photo.true}
        predicted = {segment.id: segment for segment in photo.predicted}
        area_true = {number: int((photo.truth == number).sum()) for number in [VOID, *true]}
        area_found = {number: int((photo.found == number).sum()) for number in [VOID, *predicted]}
        shared: dict[tuple[int, int], int] = defaultdict(int)
        for one, other in zip(photo.truth.ravel().tolist(), photo.found.ravel().tolist(), strict=True):
            shared[one, other] += 1
        matched_true, matched_found = set(), set()
        for (one, other), pixels in shared.items():
            if one not in true or other not in predicted or true[one].crowd:
                continue
            if true[one].category != predicted[other].category:
                continue
            union = area_found[other] + area_true[one] - pixels - shared.get((VOID, other), 0)
            if pixels / union > 0.5:
                tp[true[one].category] += 1
                iou[true[one].category] += pixels / union
                matched_true.add(one)
                matched_found.add(other)
        crowd_of: dict[int, int] = {}
        for number, segment in true.items():
            if number in matched_true:
                continue
            if segment.crowd:
                crowd_of[segment.category] = number
            else:
                fn[segment.category] += 1
        for number, segment in predicted.items():
            if number in matched_found:
                continue
            outside = shared.get((VOID, number), 0)
            if segment.category in crowd_of:
                outside += shared.get((crowd_of[segment.category], number), 0)
            if outside / area_found[number] > 0.5:
                continue
            fp[segment.category] += 1
    quality: dict[int, tuple[float, float, float] | None] = {}
    for category in categories:
        segments = tp[category] + fp[category] / 2 + fn[category] / 2
        if not segments:
            quality[category] = None
            continue
        sq = iou[category] / tp[category] if tp[category] else 0.0
        quality[category] = iou[category] / segments, sq, tp[category] / segments
    return quality
