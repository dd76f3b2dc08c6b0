"""Average best overlap: how well the best of a photo's masks fits each of its objects."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from pycocotools import mask as coco_mask

from segmentation.metrics.ground_truth import GroundTruth, PhotoId, Row

MIN_AREA = 0.01


def best_overlaps(truth: GroundTruth, masks: Sequence[Row], max_dets: int = 100) -> Float[np.ndarray, " objects"]:
    """The best IoU of each object with any of the best-scored masks of its photo, whatever their categories.

    Objects are those that are no crowd and cover more than 1 % of their photo's pixels.

    Args:
        truth: photos and objects, see :func:`segmentation.metrics.ground_truth.read_ground_truth`.
        masks: predictions with ``image_id``, ``score`` and ``segmentation`` (RLE).
        max_dets: number of masks of a photo that count; of equal scores the first.

    Returns:
        One number in 0 ... 1 for each object, photo by photo; 0 where a photo has no masks.
    """
    masks_of: dict[PhotoId, list[Row]] = defaultdict(list)
    for row in masks:
        masks_of[row["image_id"]].append(row)
    objects_of: dict[PhotoId, list[Row]] = defaultdict(list)
    for row in truth.objects:
        if not row["iscrowd"]:
            objects_of[row["image_id"]].append(row["segmentation"])
    best = [np.zeros(0)]
    for key, photo in truth.photos.items():
        large = [rle for rle in objects_of[key] if coco_mask.area(rle) > MIN_AREA * photo.height * photo.width]
        chosen = sorted(masks_of[key], key=lambda row: -row["score"])[:max_dets]
        if large and chosen:
            overlaps = coco_mask.iou([row["segmentation"] for row in chosen], large, [0] * len(large))
            best.append(overlaps.max(axis=0))
        else:
            best.append(np.zeros(len(large)))
    return np.concatenate(best)
