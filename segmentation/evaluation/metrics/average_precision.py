"""Counts COCO's average precision and recall photo by photo, so that photos can be merged and resampled."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64, UInt8
from pycocotools import mask as coco_mask

from graphpool.checks import check_choice
from segmentation.evaluation.metrics.detection_limits import COCO_NUMBERS, MAX_DETS, check_max_dets, recall_names

IOU_TYPES = ("mask", "box")
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREA_RANGES = np.array([[0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10]])  # all, small, medium, large
MATCHED, IGNORED = 1, 2  # flags of predictions
_LOWEST_IOUS = np.minimum(IOU_THRESHOLDS, 1 - 1e-10)
_RECALLS = np.linspace(0, 1, 101)
_ANY = 0  # the only category where all are one
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Matches:
    """Predictions of one photo and category, matched with its objects.

    Attributes:
        scores: scores of the predictions, falling.
        flags: for each area range, IoU threshold and prediction ``MATCHED``, ``IGNORED`` (neither true nor false
            positive), or the sum of both.
        objects: number of objects that count in each area range.
    """

    scores: Float[np.ndarray, " predictions"]
    flags: UInt8[np.ndarray, "areas thresholds predictions"]
    objects: Int64[np.ndarray, " areas"]


def match_objects(
    overlaps: Float[np.ndarray, "predictions objects"],
    scores: Float[np.ndarray, " predictions"],
    areas: Float[np.ndarray, " predictions"],
    object_areas: Float[np.ndarray, " objects"],
    crowd: Bool[np.ndarray, " objects"],
) -> Matches:
    """Matches predictions with objects by COCO's rules.

    In the order of their scores, predictions take the object that they overlap most among those that reach the
    threshold and are not taken. Crowds, and objects outside the area range, are taken only if there is no other; the
    prediction is then ignored, as is one outside the area range that takes no object. Crowds can be taken repeatedly.

    All area ranges and thresholds are matched at once; only predictions that reach the lowest threshold are visited.

    Args:
        overlaps: IoU of predictions and objects; with a crowd, the share of the prediction inside it.
        scores: scores of the predictions, falling.
        areas: areas of the predictions, in pixels.
        object_areas: areas of the objects, as their file has them.
        crowd: whether each object is a crowd.

    Example:
        >>> overlaps, ones = np.array([[0.8], [0.7]]), np.ones(1)
        >>> matches = match_objects(overlaps, np.array([0.9, 0.4]), 50 * np.ones(2), 50 * ones, ones < 0)
        >>> matches.flags[0, :, 0].tolist(), matches.objects.tolist()  # small, neither medium nor large
        ([1, 1, 1, 1, 1, 1, 1, 0, 0, 0], [1, 1, 0, 0])
    """
    ignored_object = crowd | _outside(object_areas)
    free = np.ones((len(AREA_RANGES), len(_LOWEST_IOUS), crowd.size), dtype=bool)
    flags = np.zeros((len(AREA_RANGES), len(_LOWEST_IOUS), scores.size), dtype=np.uint8)
    near = overlaps >= _LOWEST_IOUS[0]
    for place in near.any(axis=1).nonzero()[0].tolist():
        candidates = near[place].nonzero()[0]
        overlap = overlaps[place, candidates]
        possible = (overlap >= _LOWEST_IOUS[:, None]) & (free[:, :, candidates] | crowd[candidates])
        counted = possible & ~ignored_object[:, None, candidates]
        choice = np.where(counted.any(axis=2, keepdims=True), counted, possible)
        # of equals the last one, as in pycocotools
        best = candidates[candidates.size - 1 - np.where(choice, overlap, -1.0)[..., ::-1].argmax(axis=2)]
        area, threshold = choice.any(axis=2).nonzero()
        taken = best[area, threshold]
        flags[area, threshold, place] = MATCHED + IGNORED * ignored_object[area, taken]
        free[area, threshold, taken] = False
    flags += np.uint8(IGNORED) * ((flags == 0) & _outside(areas)[:, None])
    return Matches(scores, flags, (~ignored_object).sum(axis=1))


def _outside(areas: Float[np.ndarray, " n"]) -> Bool[np.ndarray, "areas n"]:
    outside: np.ndarray = (areas < AREA_RANGES[:, :1]) | (areas > AREA_RANGES[:, 1:])
    return outside


@dataclass(frozen=True)
class _Ranked:
    """Predictions of one category and area range that count at any threshold, by falling score.

    Attributes:
        photo: number of the photo of each prediction.
        rank: rank of each prediction in its photo, from 0.
        right: whether each prediction is a true positive.
        wrong: whether each prediction is a false positive.
        objects: number of objects that count in each photo.
    """

    photo: Int64[np.ndarray, " predictions"]
    rank: Int64[np.ndarray, " predictions"]
    right: Bool[np.ndarray, "thresholds predictions"]
    wrong: Bool[np.ndarray, "thresholds predictions"]
    objects: Int64[np.ndarray, " photos"]


class AveragePrecision:
    """Average precision and recall by COCO's protocol, photo by photo.

    The numbers equal those of pycocotools, but photos are added one at a time, counts of several processes can be
    merged, and photos can be weighted: their resampling gives confidence intervals
    (:mod:`segmentation.evaluation.metrics.bootstrap`).

    Args:
        categories: ids of the categories over which precision is averaged.
        iou_type: ``mask`` or ``box``, whose overlap decides.
        class_agnostic: whether all categories are taken as one.
        max_dets: more numbers of predictions of a photo at which recall is measured, see
            :func:`~segmentation.evaluation.metrics.evaluate_instances`.

    Raises:
        ValueError: one of ``max_dets`` is below 1, or there twice.

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

    def __init__(
        self,
        categories: Sequence[int],
        iou_type: str = "mask",
        *,
        class_agnostic: bool = False,
        max_dets: Sequence[int] = (),
    ) -> None:
        check_choice("iou_type", iou_type, IOU_TYPES)
        self.iou_type, self.class_agnostic = iou_type, class_agnostic
        self.more_dets = check_max_dets(max_dets)
        self._most_dets = max(MAX_DETS + self.more_dets)
        self.categories = [_ANY] if class_agnostic else sorted(set(categories))
        self.num_photos = 0
        self._matches: dict[int, list[tuple[int, Matches]]] = {category: [] for category in self.categories}
        self._ranked: dict[tuple[int, int, int], _Ranked] = {}

    def update(self, objects: Sequence[Row], predictions: Sequence[Row]) -> None:
        """Adds one photo.

        Args:
            objects: objects with ``category_id``, ``area``, ``iscrowd``, and ``segmentation`` (RLE) or ``bbox``.
            predictions: predictions with ``category_id``, ``score``, and ``segmentation`` (RLE) or ``bbox``.

        Raises:
            ValueError: a category that is not among ``categories``.
        """
        of_category: dict[int, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
        for side, rows in enumerate((objects, predictions)):
            for row in rows:
                of_category[_ANY if self.class_agnostic else row["category_id"]][side].append(row)
        unknown = sorted(of_category.keys() - self._matches.keys())
        if unknown:
            raise ValueError(f"'category_id' must be one of the {len(self.categories)} categories, got {unknown[0]}")
        for category, sides in of_category.items():
            self._matches[category].append((self.num_photos, self._match(*sides)))
        self.num_photos += 1
        self._ranked = {}

    def merge(self, other: "AveragePrecision") -> None:
        """Appends the photos of another object.

        Raises:
            ValueError: other categories, another ``iou_type``, or other ``max_dets``.
        """
        own, others = ((each.categories, each.iou_type, each.more_dets) for each in (self, other))
        if own != others:
            raise ValueError("'other' must have the same categories, iou_type and max_dets")
        for category, matches in other._matches.items():
            self._matches[category] += [(self.num_photos + photo, each) for photo, each in matches]
        self.num_photos += other.num_photos
        self._ranked = {}

    def compute(self) -> dict[str, float | None]:
        """Returns the twelve numbers, then AR at ``max_dets``, in percent; ``None`` without objects of the kind."""
        numbers = self.resampled(np.ones((1, self.num_photos)))
        return {name: None if np.isnan(value[0]) else float(value[0]) for name, value in numbers.items()}

    def per_category(self) -> dict[int, dict[str, float | None]]:
        """Returns ``AP``, ``AP50`` and AR at ``max_dets`` of each category in percent; ``None`` without objects."""
        weights = np.ones(self.num_photos)
        numbers = {}
        for category in self.categories:
            precision, _ = self._precision_and_recall(category, 0, weights)
            values = {"AP": 100 * float(precision.mean()), "AP50": 100 * float(precision[0].mean())}
            for limit in self.more_dets:
                values[f"AR{limit}"] = 100 * float(self._recall(category, 0, limit, weights).mean())
            numbers[category] = {name: None if np.isnan(value) else value for name, value in values.items()}
        return numbers

    def resampled(self, weights: Float[np.ndarray, "samples photos"]) -> dict[str, Float[np.ndarray, " samples"]]:
        """Returns the numbers in percent with each photo counted ``weights`` times; NaN without objects."""
        rows = [self._numbers(row) for row in np.asarray(weights, dtype=np.float64)]
        names = COCO_NUMBERS + recall_names(self.more_dets)
        return dict(zip(names, np.array(rows).reshape(-1, len(names)).T, strict=True))

    def _numbers(self, weights: Float[np.ndarray, " photos"]) -> list[float]:
        areas = range(len(AREA_RANGES))
        curves = [[self._precision_and_recall(k, area, weights) for k in self.categories] for area in areas]
        precision = np.array([[curve for curve, _ in row] for row in curves])  # areas, categories, thresholds, recalls
        recall = np.array([[highest for _, highest in row] for row in curves])
        limits = [(limit, 0) for limit in MAX_DETS[:-1]] + [(limit, area) for limit in self.more_dets for area in areas]
        limited = [[self._recall(k, area, limit, weights) for k in self.categories] for limit, area in limits]
        means = [_mean_percent(np.array(values)) for values in limited]
        return [
            _mean_percent(precision[0]),
            *(_mean_percent(precision[0][:, np.isclose(IOU_THRESHOLDS, iou).argmax()]) for iou in (0.5, 0.75)),
            *(_mean_percent(precision[area]) for area in (1, 2, 3)),
            *means[: len(MAX_DETS) - 1],
            *(_mean_percent(recall[area]) for area in areas),
            *means[len(MAX_DETS) - 1 :],
        ]

    def _precision_and_recall(
        self, category: int, area: int, weights: Float[np.ndarray, " photos"]
    ) -> tuple[Float[np.ndarray, "thresholds recalls"], Float[np.ndarray, " thresholds"]]:
        """Returns the interpolated precision and the highest recall; NaN without objects."""
        ranked = self._rank(category, area, MAX_DETS[-1])
        total = float(weights @ ranked.objects)
        if not total or not ranked.photo.size:
            nothing = np.full((len(IOU_THRESHOLDS), _RECALLS.size), 0.0 if total else np.nan)
            return nothing, nothing[:, 0]
        weight = weights[ranked.photo]
        right, wrong = (np.cumsum(flags * weight, axis=1) for flags in (ranked.right, ranked.wrong))
        recall = right / total
        precision = right / (right + wrong + np.spacing(1))
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        padded = np.concatenate([precision, np.zeros((len(precision), 1))], axis=1)
        curve = [row[np.searchsorted(reached, _RECALLS)] for row, reached in zip(padded, recall, strict=True)]
        return np.array(curve), recall[:, -1]

    def _recall(
        self, category: int, area: int, limit: int, weights: Float[np.ndarray, " photos"]
    ) -> Float[np.ndarray, " thresholds"]:
        """Returns the recall of the ``limit`` best-scored predictions of each photo."""
        ranked = self._rank(category, area, MAX_DETS[-1] if limit <= MAX_DETS[-1] else self._most_dets)
        total = float(weights @ ranked.objects)
        if not total:
            return np.full(len(IOU_THRESHOLDS), np.nan)
        recall: np.ndarray = ranked.right @ (weights[ranked.photo] * (ranked.rank < limit)) / total
        return recall

    def _rank(self, category: int, area: int, limit: int) -> _Ranked:
        """Ranks the ``limit`` best-scored predictions of each photo."""
        key = category, area, limit
        if key not in self._ranked:
            rows = self._matches[category]
            photos = np.array([photo for photo, _ in rows], dtype=np.int64)
            counts = np.array([each.scores.size for _, each in rows], dtype=np.int64)
            scores = np.concatenate([np.zeros(0), *(each.scores for _, each in rows)])
            none = np.zeros((len(IOU_THRESHOLDS), 0), dtype=np.uint8)
            flags = np.concatenate([none, *(each.flags[area] for _, each in rows)], axis=1)
            rank = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
            order = np.argsort(-scores, kind="stable")
            order = order[(flags[:, order] < IGNORED).any(axis=0) & (rank[order] < limit)]
            flags = flags[:, order]
            objects = np.bincount(photos, [each.objects[area] for _, each in rows], self.num_photos).astype(np.int64)
            self._ranked[key] = _Ranked(
                np.repeat(photos, counts)[order], rank[order], flags == MATCHED, flags == 0, objects
            )
        return self._ranked[key]

    def _match(self, objects: Sequence[Row], predictions: Sequence[Row]) -> Matches:
        order = np.argsort([-row["score"] for row in predictions], kind="stable")[: self._most_dets]
        best = [predictions[place] for place in order.tolist()]
        crowd = np.array([bool(row["iscrowd"]) for row in objects], dtype=bool)
        key = "segmentation" if self.iou_type == "mask" else "bbox"
        shapes: list[Any] = [[row[key] for row in rows] for rows in (best, objects)]
        if self.iou_type == "box":
            shapes = [np.array(boxes, dtype=np.float64).reshape(-1, 4) for boxes in shapes]
            areas = shapes[0][:, 2] * shapes[0][:, 3]
        else:
            # one by one: pycocotools counts the masks of a list in a uint8
            areas = np.array([coco_mask.area(rle) for rle in shapes[0]], dtype=np.float64)
        overlaps = np.zeros((len(best), len(objects)))
        if overlaps.size:
            overlaps = np.asarray(coco_mask.iou(*shapes, crowd.astype(np.uint8)))
        return match_objects(
            overlaps,
            np.array([row["score"] for row in best], dtype=np.float64),
            areas,
            np.array([row["area"] for row in objects], dtype=np.float64),
            crowd,
        )


def _mean_percent(values: Float[np.ndarray, "*shape"]) -> float:
    """Averages what is not NaN, in percent; NaN where all is."""
    present = values[~np.isnan(values)]
    return 100 * float(present.mean()) if present.size else float("nan")
