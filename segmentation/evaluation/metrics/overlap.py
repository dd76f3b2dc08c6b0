"""Average best overlap: how well the best of a photo's masks fits each of its objects."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from pycocotools import mask as coco_mask

from segmentation.evaluation.truth.ground_truth import Photo, Row

MIN_AREA = 0.01


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
