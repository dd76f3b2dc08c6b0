"""Adds up what is said about the instances of a data set: AP, AR, average best overlap."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from pycocotools import mask as coco_mask

from segmentation.evaluation.metrics.average_precision import COCO_NUMBERS, MAX_DETS, AveragePrecision
from segmentation.evaluation.truth.ground_truth import Photo, Row

MIN_AREA = 0.01
Numbers = dict[str, float | None]


def best_overlaps(
    photo: Photo, objects: Sequence[Row], masks: Sequence[Row], max_dets: int = 100
) -> Float[np.ndarray, " large_objects"]:
    """The best IoU of each object of a photo with any of its best-scored masks, whatever their categories.

    Objects are those that are no crowd and cover more than 1 % of the photo's pixels.

    Args:
        photo: their size.
        objects: of the photo, see :func:`segmentation.evaluation.truth.ground_truth.read_ground_truth`.
        masks: predictions with ``score`` and ``segmentation`` (RLE).
        max_dets: number of masks that count; of equal scores the first.

    Returns:
        One number in 0 ... 1 for each object; 0 where there are no masks.
    """
    shapes = [row["segmentation"] for row in objects if not row["iscrowd"]]
    large = [rle for rle in shapes if coco_mask.area(rle) > MIN_AREA * photo.height * photo.width]
    chosen = sorted(masks, key=lambda row: -row["score"])[:max_dets]
    if not large or not chosen:
        return np.zeros(len(large))
    overlaps: np.ndarray = coco_mask.iou([row["segmentation"] for row in chosen], large, [0] * len(large))
    return overlaps.max(axis=0)


class InstanceNumbers(NamedTuple):
    """COCO's twelve numbers of masks and of boxes, and the average best overlap, in percent.

    Numbers are ``None`` where there are no such objects, all of the masks' where the objects have boxes only.
    """

    mask: Numbers
    box: Numbers
    best_overlap: float | None
    best_overlap_objects: int


class InstanceQuality:
    """AP, AR and average best overlap of masks and boxes.

    Args:
        categories: their ids.
        class_agnostic: all categories are one.
        has_masks: else objects and predictions have boxes only.

    Example:
        >>> from segmentation.evaluation.metrics.any_rle import to_rle
        >>> rle = to_rle([[0, 0, 4, 0, 4, 4, 0, 4]], 8, 8)
        >>> row = {"category_id": 3, "segmentation": rle, "bbox": [0, 0, 4, 4], "area": 16, "iscrowd": 0}
        >>> quality = InstanceQuality([3])
        >>> quality.update(Photo("a.jpg", 8, 8), [row], [{**row, "score": 0.9}])
        >>> quality.compute().best_overlap
        100.0
    """

    def __init__(self, categories: Sequence[int], *, class_agnostic: bool = False, has_masks: bool = True) -> None:
        kinds = ("mask", "box") if has_masks else ("box",)
        self.precision = {kind: AveragePrecision(categories, kind, class_agnostic=class_agnostic) for kind in kinds}
        self._overlaps: list[Float[np.ndarray, " objects"]] = []

    @property
    def num_photos(self) -> int:
        """Photos so far."""
        return len(self._overlaps)

    def update(self, photo: Photo, objects: Sequence[Row], predictions: Sequence[Row]) -> None:
        """Counts one photo; see :meth:`AveragePrecision.update`.

        Raises:
            ValueError: a category that there is not.
        """
        for precision in self.precision.values():
            precision.update(objects, predictions)
        has_masks = "mask" in self.precision
        self._overlaps.append(best_overlaps(photo, objects, predictions, MAX_DETS[-1]) if has_masks else np.zeros(0))

    def merge(self, other: "InstanceQuality") -> None:
        """Adds the photos of another one, behind its own."""
        for kind, precision in self.precision.items():
            precision.merge(other.precision[kind])
        self._overlaps += other._overlaps

    def compute(self) -> InstanceNumbers:
        """The numbers of all photos so far."""
        nothing: Numbers = dict.fromkeys(COCO_NUMBERS)
        numbers = {kind: precision.compute() for kind, precision in self.precision.items()}
        overlaps = np.concatenate([np.zeros(0), *self._overlaps])
        best = 100 * float(overlaps.mean()) if overlaps.size else None
        return InstanceNumbers(numbers.get("mask", nothing), numbers["box"], best, overlaps.size)

    def resampled(self, weights: Float[np.ndarray, "samples photos"]) -> dict[str, Float[np.ndarray, " samples"]]:
        """The numbers if each photo were there so many times, as ``"mask AP"``; NaN where there are no objects."""
        found = {}
        for kind, precision in self.precision.items():
            for name, values in precision.resampled(weights).items():
                found[f"{kind} {name}"] = values
        sums = np.array([overlaps.sum() for overlaps in self._overlaps])
        number = weights @ np.array([overlaps.size for overlaps in self._overlaps], dtype=np.float64)
        if "mask" in self.precision:
            found["best overlap"] = 100 * np.divide(
                weights @ sums, number, np.full(len(weights), np.nan), where=number > 0
            )
        return found
