"""Counts the numbers of a data set's instances: AP, AR and average best overlap, by our own code or a library."""

import contextlib
import importlib
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from segmentation.evaluation.metrics.average_precision import AveragePrecision
from segmentation.evaluation.metrics.detection_limits import (
    AREAS,
    COCO_NUMBERS,
    MAX_DETS,
    check_max_dets,
    recall_names,
)
from segmentation.evaluation.truth.ground_truth import Photo, Row

_LARGE = 0.01  # share of the photo's pixels
_LIBRARY_LIMIT = 10_000  # predictions, and pairs of photo and category
Numbers = dict[str, float | None]


class ScoredPhoto(NamedTuple):
    """A photo, its labelled objects, and its predictions as COCO results."""

    photo: Photo
    objects: list[Row]
    predictions: list[Row]


class InstanceNumbers(NamedTuple):
    """COCO's twelve numbers of masks and of boxes, AR at other limits, and the average best overlap, in percent.

    Numbers are ``None`` where there are no such objects, and all of the masks' are where the objects have boxes only.
    ``per_category`` holds ``AP``, ``AP50`` and AR at the other limits of each category, of masks (of boxes where there
    are no masks).
    """

    mask: Numbers
    box: Numbers
    best_overlap: float | None
    best_overlap_objects: int
    per_category: dict[int, Numbers]


def best_overlaps(
    photo: Photo, objects: Sequence[Row], predictions: Sequence[Row]
) -> Float[np.ndarray, " large_objects"]:
    """Computes the best IoU of each large object of a photo with its 100 best masks of any category.

    Objects are large if they are no crowds and cover more than 1 % of the photo. Without masks, their best IoU is 0. Of
    masks with equal scores the first count.
    """
    shapes = [row["segmentation"] for row in objects if not row["iscrowd"]]
    large = [rle for rle in shapes if coco_mask.area(rle) > _LARGE * photo.height * photo.width]
    chosen = sorted(predictions, key=lambda row: -row["score"])[: MAX_DETS[-1]]
    if not large or not chosen:
        return np.zeros(len(large))
    overlaps: np.ndarray = coco_mask.iou([row["segmentation"] for row in chosen], large, [0] * len(large))
    return overlaps.max(axis=0)


class InstanceQuality:
    """AP, AR and average best overlap of masks and boxes, photo by photo.

    Args:
        categories: ids of the categories.
        class_agnostic: whether all categories are taken as one.
        has_masks: whether there are masks; else objects and predictions have boxes only.
        max_dets: more numbers of predictions of a photo at which recall is measured.

    Example:
        >>> from segmentation.evaluation.metrics.any_rle import to_rle
        >>> rle = to_rle([[0, 0, 4, 0, 4, 4, 0, 4]], 8, 8)
        >>> row = {"category_id": 3, "segmentation": rle, "bbox": [0, 0, 4, 4], "area": 16, "iscrowd": 0}
        >>> quality = InstanceQuality([3])
        >>> quality.update(Photo("a.jpg", 8, 8), [row], [{**row, "score": 0.9}])
        >>> quality.compute().best_overlap
        100.0
    """

    def __init__(
        self,
        categories: Sequence[int],
        *,
        class_agnostic: bool = False,
        has_masks: bool = True,
        max_dets: Sequence[int] = (),
    ) -> None:
        kinds = ("mask", "box") if has_masks else ("box",)
        options: dict[str, Any] = {"class_agnostic": class_agnostic, "max_dets": max_dets}
        self.precision = {kind: AveragePrecision(categories, kind, **options) for kind in kinds}
        self._overlaps: list[Float[np.ndarray, " objects"]] = []

    @property
    def num_photos(self) -> int:
        """Number of photos so far."""
        return len(self._overlaps)

    def update(self, photo: Photo, objects: Sequence[Row], predictions: Sequence[Row]) -> None:
        """Adds one photo; see :meth:`AveragePrecision.update`.

        Raises:
            ValueError: a category that is not among ``categories``.
        """
        for precision in self.precision.values():
            precision.update(objects, predictions)
        self._overlaps.append(best_overlaps(photo, objects, predictions) if "mask" in self.precision else np.zeros(0))

    def merge(self, other: "InstanceQuality") -> None:
        """Appends the photos of another object."""
        for kind, precision in self.precision.items():
            precision.merge(other.precision[kind])
        self._overlaps += other._overlaps

    def compute(self) -> InstanceNumbers:
        """Returns the numbers of all photos so far."""
        numbers = {kind: precision.compute() for kind, precision in self.precision.items()}
        first = next(iter(self.precision.values()))
        return _instance_numbers(numbers, self._overlaps, {} if first.class_agnostic else first.per_category())

    def resampled(self, weights: Float[np.ndarray, "samples photos"]) -> dict[str, Float[np.ndarray, " samples"]]:
        """Returns the numbers (``"mask AP"``) with each photo counted ``weights`` times; NaN without objects."""
        numbers = {}
        for kind, precision in self.precision.items():
            for name, values in precision.resampled(weights).items():
                numbers[f"{kind} {name}"] = values
        if "mask" in self.precision:
            sums = weights @ np.array([overlaps.sum() for overlaps in self._overlaps])
            objects = weights @ np.array([overlaps.size for overlaps in self._overlaps], dtype=np.float64)
            no_objects = np.full(len(weights), np.nan)
            numbers["best overlap"] = 100 * np.divide(sums, objects, no_objects, where=objects > 0)
        return numbers


def _instance_numbers(
    numbers: dict[str, Numbers], overlaps: Iterable[Float[np.ndarray, " _"]], per_category: dict[int, Numbers]
) -> InstanceNumbers:
    all_overlaps = np.concatenate([np.zeros(0), *overlaps])
    best = 100 * float(all_overlaps.mean()) if all_overlaps.size else None
    masks = numbers.get("mask", dict.fromkeys(numbers["box"]))
    return InstanceNumbers(masks, numbers["box"], best, all_overlaps.size, per_category)


def choose_engine(engine: str, predictions: int, pairs: int, workers: int) -> str:
    """Returns the engine for an evaluation: pycocotools by default, our own code where the library costs much.

    The library takes one process, two or three times the time of our own code, and up to five times its memory: at the
    limit some seconds and 80 MiB more (``docs/decisions.md``). It visits all ``pairs`` of photo and category.
    """
    cheap = workers == 1 and max(predictions, pairs) <= _LIBRARY_LIMIT
    return engine if engine != "auto" else "pycocotools" if cheap else "own"


def library_numbers(
    engine: str,
    photos: Sequence[ScoredPhoto],
    categories: Sequence[int],
    *,
    class_agnostic: bool = False,
    has_masks: bool = True,
    max_dets: Sequence[int] = (),
) -> InstanceNumbers:
    """Counts the numbers of all photos at once by a library.

    Args:
        engine: ``pycocotools``, or ``faster-coco-eval`` where it is installed.
        photos: photos with their objects and predictions.
        categories, class_agnostic, has_masks, max_dets: as those of :class:`InstanceQuality`.

    Raises:
        ValueError: the library is not installed.
    """
    ids = [1] if class_agnostic else sorted(categories)
    more = check_max_dets(max_dets)
    limits = sorted({*MAX_DETS, *more})
    numbers: dict[str, Numbers] = {}
    per_category: dict[int, Numbers] = {}
    for iou_type in ("mask", "box") if has_masks else ("box",):
        key = "segmentation" if iou_type == "mask" else "bbox"
        stats, counts = _evaluate(engine, photos, ids, key, class_agnostic, limits)
        recall = {limit: counts["recall"][..., limits.index(limit)] for limit in more}  # thresholds, categories, areas
        means = [_mean(recall[limit][:, :, area]) for limit in more for area in range(len(AREAS))]
        numbers[iou_type] = dict(zip(COCO_NUMBERS + recall_names(more), [*stats, *means], strict=True))
        if not class_agnostic and not per_category:
            precision = counts["precision"][:, :, :, 0, limits.index(MAX_DETS[-1])]  # thresholds, recalls, categories
            for place, category in enumerate(ids):
                curves = precision[:, :, place]
                per_category[category] = {"AP": _mean(curves), "AP50": _mean(curves[0])} | {
                    f"AR{limit}": _mean(recall[limit][:, place, 0]) for limit in more
                }
    overlaps = [best_overlaps(*photo) for photo in photos] if has_masks else []
    return _instance_numbers(numbers, overlaps, per_category)


def _evaluate(
    engine: str,
    photos: Sequence[ScoredPhoto],
    categories: Sequence[int],
    key: str,
    class_agnostic: bool,
    limits: Sequence[int],
) -> tuple[list[float | None], dict[str, Any]]:
    """Runs a library on masks or boxes, without what it prints; returns the twelve numbers, and its counts."""
    data_set, evaluator = _library(engine)
    sizes = [{"height": each.photo.height, "width": each.photo.width} for each in photos]
    sides = []
    for side in ("objects", "predictions"):
        coco = data_set()
        coco.dataset = {
            "images": [{"id": image, **size} for image, size in enumerate(sizes, start=1)],
            "categories": [{"id": category} for category in categories],
            "annotations": [],
        }
        for image, photo in enumerate(photos, start=1):
            for row in getattr(photo, side):
                shape = row[key]
                if side == "predictions":
                    row = {**row, "iscrowd": 0, "area": shape[2] * shape[3] if key == "bbox" else coco_mask.area(shape)}
                category = 1 if class_agnostic else row["category_id"]
                # numbered from 1: pycocotools takes an object of id 0 for "not matched"
                number = len(coco.dataset["annotations"]) + 1
                coco.dataset["annotations"].append({**row, "id": number, "image_id": image, "category_id": category})
        sides.append(coco)
    with contextlib.redirect_stdout(io.StringIO()):
        for coco in sides:
            coco.createIndex()
        evaluation = evaluator(*sides, "segm" if key == "segmentation" else "bbox")
        evaluation.params.maxDets = list(limits)
        evaluation.evaluate()
        evaluation.accumulate()
        counts = dict(evaluation.eval)
        # the libraries summarize the first three limits, or the last: leave them COCO's
        places = [limits.index(limit) for limit in MAX_DETS]
        for name in ("precision", "recall"):
            evaluation.eval[name] = counts[name][..., places]
        evaluation.params.maxDets = list(MAX_DETS)
        evaluation.summarize()
    return [_percent(number) for number in evaluation.stats[: len(COCO_NUMBERS)]], counts


def _library(engine: str) -> tuple[Callable[[], Any], Callable[..., Any]]:
    """Returns the library's classes of data sets and of evaluations."""
    if engine == "pycocotools":
        return COCO, COCOeval
    try:
        library = importlib.import_module("faster_coco_eval")
    except ImportError:
        raise ValueError("'engine' faster-coco-eval is not installed: pip install faster-coco-eval") from None
    return library.COCO, library.COCOeval_faster


def _mean(counts: Float[np.ndarray, "*shape"]) -> float | None:
    """Averages counts of a library that are there, in percent."""
    there = counts[counts > -1]
    return 100 * float(there.mean()) if there.size else None


def _percent(share: float) -> float | None:
    """Converts a number of a library, -1 where there are no objects."""
    return None if share == -1 else 100 * float(share)
