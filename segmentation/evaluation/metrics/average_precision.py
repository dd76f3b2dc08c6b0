"""COCO's twelve numbers, added up photo by photo."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64
from pycocotools import mask as coco_mask

from graphpool.checks import check_choice
from segmentation.evaluation.metrics.object_matching import (
    AREAS,
    IGNORED,
    IOU_THRESHOLDS,
    MATCHED,
    Matches,
    match_objects,
)

COCO_NUMBERS = ("AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR100", "ARS", "ARM", "ARL")
MAX_DETS = (1, 10, 100)
IOU_TYPES = ("mask", "box")
_RECALLS = np.linspace(0, 1, 101)
_ANY = 0  # the one category, where all are one
Row = Mapping[str, Any]


@dataclass(frozen=True)
class _Ranked:
    """The predictions of one category and range of area, those that count at some threshold, best score first.

    Attributes:
        photo: of each.
        place: of each among those of its photo, best first.
        right: at each threshold, whether it is matched with an object that counts.
        wrong: at each threshold, whether it is matched with none.
        objects: number of objects that count, of each photo.
    """

    photo: Int64[np.ndarray, " predictions"]
    place: Int64[np.ndarray, " predictions"]
    right: Bool[np.ndarray, "thresholds predictions"]
    wrong: Bool[np.ndarray, "thresholds predictions"]
    objects: Int64[np.ndarray, " photos"]


class AveragePrecision:
    """Average precision and recall by COCO's protocol, photo by photo.

    The numbers are pycocotools', to the last digit, but photos are seen one at a time, objects of several processes can
    be merged, and photos can be weighted: their resampling gives confidence intervals
    (:mod:`segmentation.evaluation.metrics.bootstrap`).

    Args:
        categories: ids of the categories, over which precision is averaged.
        iou_type: overlap of ``mask`` or of ``box``.
        class_agnostic: all categories are one.

    Example:
        >>> square = {"size": [8, 8], "counts": [0, 4, 4, 4, 4, 4, 4, 4, 36]}
        >>> rle = coco_mask.frPyObjects(square, 8, 8)
        >>> precision = AveragePrecision([3])
        >>> precision.update(
        ...     [{"category_id": 3, "segmentation": rle, "area": 16, "iscrowd": 0}],
        ...     [{"category_id": 3, "segmentation": rle, "score": 0.7}],
        ... )
        >>> numbers = precision.compute()
        >>> round(numbers["AP"]), round(numbers["AR1"]), numbers["APL"]
        (100, 100, None)
    """

    def __init__(self, categories: Sequence[int], iou_type: str = "mask", *, class_agnostic: bool = False) -> None:
        check_choice("iou_type", iou_type, IOU_TYPES)
        self.iou_type, self.class_agnostic = iou_type, class_agnostic
        self.categories = [_ANY] if class_agnostic else sorted(set(categories))
        self.num_photos = 0
        self._matches: dict[int, list[tuple[int, Matches]]] = {category: [] for category in self.categories}
        self._ranked: dict[tuple[int, int], _Ranked] = {}

    def update(self, objects: Sequence[Row], predictions: Sequence[Row]) -> None:
        """Counts one photo.

        Args:
            objects: ``category_id``, ``area``, ``iscrowd`` and the ``segmentation`` as RLE, or the ``bbox``.
            predictions: ``category_id``, ``score`` and the same.

        Raises:
            ValueError: a category that there is not.
        """
        of_category: dict[int, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
        for side, rows in enumerate((objects, predictions)):
            for row in rows:
                of_category[_ANY if self.class_agnostic else row["category_id"]][side].append(row)
        strange = sorted(of_category.keys() - self._matches.keys())
        if strange:
            raise ValueError(f"'category_id' must be one of the {len(self.categories)} categories, got {strange[0]}")
        for category, (own, found) in of_category.items():
            self._matches[category].append((self.num_photos, self._match(own, found)))
        self.num_photos += 1
        self._ranked = {}

    def merge(self, other: "AveragePrecision") -> None:
        """Adds the photos of another one, behind its own.

        Raises:
            ValueError: it is of other categories, or of another overlap.
        """
        if (self.categories, self.iou_type) != (other.categories, other.iou_type):
            raise ValueError("'other' must have the same categories and iou_type")
        for category, matches in other._matches.items():
            self._matches[category] += [(self.num_photos + photo, each) for photo, each in matches]
        self.num_photos += other.num_photos
        self._ranked = {}

    def compute(self) -> dict[str, float | None]:
        """The twelve numbers in percent; ``None`` where there are no objects of the kind."""
        numbers = self.resampled(np.ones((1, self.num_photos)))
        return {name: None if np.isnan(value[0]) else float(value[0]) for name, value in numbers.items()}

    def per_category(self) -> dict[int, dict[str, float | None]]:
        """``AP`` and ``AP50`` of each category, in percent; ``None`` of one without objects."""
        weights = np.ones(self.num_photos)
        found = {}
        for category in self.categories:
            precision, _ = self._precision_and_recall(category, 0, weights)
            values = 100 * float(precision.mean()), 100 * float(precision[0].mean())
            found[category] = dict(zip(("AP", "AP50"), (None if np.isnan(v) else v for v in values), strict=True))
        return found

    def resampled(self, weights: Float[np.ndarray, "samples photos"]) -> dict[str, Float[np.ndarray, " samples"]]:
        """The twelve numbers in percent if each photo were there so many times; NaN where there are no objects.

        Args:
            weights: how many times, of each photo.
        """
        rows = [self._numbers(one) for one in np.asarray(weights, dtype=np.float64)]
        return dict(zip(COCO_NUMBERS, np.array(rows).reshape(-1, len(COCO_NUMBERS)).T, strict=True))

    def _numbers(self, weights: Float[np.ndarray, " photos"]) -> list[float]:
        curves = [[self._precision_and_recall(k, area, weights) for k in self.categories] for area in range(len(AREAS))]
        precision = np.array([[curve for curve, _ in row] for row in curves])  # areas, categories, thresholds, recalls
        recall = np.array([[most for _, most in row] for row in curves])
        few = [[self._recall(k, limit, weights) for k in self.categories] for limit in MAX_DETS[:-1]]
        at = {name: int(np.isclose(IOU_THRESHOLDS, iou).argmax()) for name, iou in (("AP50", 0.5), ("AP75", 0.75))}
        return [
            _mean(precision[0]),
            *(_mean(precision[0][:, place]) for place in at.values()),
            *(_mean(precision[area]) for area in (1, 2, 3)),
            *(_mean(np.array(values)) for values in few),
            *(_mean(recall[area]) for area in range(len(AREAS))),
        ]

    def _precision_and_recall(
        self, category: int, area: int, weights: Float[np.ndarray, " photos"]
    ) -> tuple[Float[np.ndarray, "thresholds recalls"], Float[np.ndarray, " thresholds"]]:
        """Interpolated precision, and the highest recall; NaN without objects."""
        ranked = self._rank(category, area)
        total = float(weights @ ranked.objects)
        shape = len(IOU_THRESHOLDS), _RECALLS.size
        if not total:
            return np.full(shape, np.nan), np.full(shape[0], np.nan)
        if not ranked.photo.size:
            return np.zeros(shape), np.zeros(shape[0])
        weight = weights[ranked.photo]
        right, wrong = (np.cumsum(flags * weight, axis=1) for flags in (ranked.right, ranked.wrong))
        recall = right / total
        precision = right / (right + wrong + np.spacing(1))
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        padded = np.concatenate([precision, np.zeros((len(precision), 1))], axis=1)
        curve = [row[np.searchsorted(own, _RECALLS)] for row, own in zip(padded, recall, strict=True)]
        return np.array(curve), recall[:, -1]

    def _recall(
        self, category: int, limit: int, weights: Float[np.ndarray, " photos"]
    ) -> Float[np.ndarray, " thresholds"]:
        """Recall of the first predictions of each photo."""
        ranked = self._rank(category, 0)
        total = float(weights @ ranked.objects)
        if not total:
            return np.full(len(IOU_THRESHOLDS), np.nan)
        recall: np.ndarray = ranked.right @ (weights[ranked.photo] * (ranked.place < limit)) / total
        return recall

    def _rank(self, category: int, area: int) -> _Ranked:
        if (category, area) not in self._ranked:
            rows = self._matches[category]
            photos = np.array([photo for photo, _ in rows], dtype=np.int64)
            counts = np.array([each.scores.size for _, each in rows], dtype=np.int64)
            scores = np.concatenate([np.zeros(0), *(each.scores for _, each in rows)])
            none = np.zeros((len(IOU_THRESHOLDS), 0), dtype=np.uint8)
            flags = np.concatenate([none, *(each.flags[area] for _, each in rows)], axis=1)
            place = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
            order = np.argsort(-scores, kind="stable")
            order = order[(flags[:, order] < IGNORED).any(axis=0)]
            flags = flags[:, order]
            objects = np.bincount(photos, [each.objects[area] for _, each in rows], self.num_photos).astype(np.int64)
            self._ranked[category, area] = _Ranked(
                np.repeat(photos, counts)[order], place[order], flags == MATCHED, flags == 0, objects
            )
        return self._ranked[category, area]

    def _match(self, objects: Sequence[Row], predictions: Sequence[Row]) -> Matches:
        order = np.argsort([-row["score"] for row in predictions], kind="stable")[: MAX_DETS[-1]]
        found = [predictions[place] for place in order.tolist()]
        crowd = np.array([bool(row["iscrowd"]) for row in objects], dtype=bool)
        key = "segmentation" if self.iou_type == "mask" else "bbox"
        shapes: Any = [row[key] for row in found]
        own: Any = [row[key] for row in objects]
        if self.iou_type == "box":
            shapes, own = (np.array(boxes, dtype=np.float64).reshape(-1, 4) for boxes in (shapes, own))
            areas = shapes[:, 2] * shapes[:, 3]
        else:
            areas = np.array(coco_mask.area(shapes) if shapes else [], dtype=np.float64)
        overlaps = np.zeros((len(found), len(objects)))
        if overlaps.size:
            overlaps = np.asarray(coco_mask.iou(shapes, own, crowd.astype(np.uint8)))
        return match_objects(
            overlaps,
            np.array([row["score"] for row in found], dtype=np.float64),
            areas,
            np.array([row["area"] for row in objects], dtype=np.float64),
            crowd,
        )


def _mean(values: Float[np.ndarray, "*shape"]) -> float:
    """In percent, over what is no NaN; NaN where nothing is."""
    there = values[~np.isnan(values)]
    return 100 * float(there.mean()) if there.size else float("nan")
