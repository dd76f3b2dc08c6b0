"""COCO's twelve numbers for masks and boxes, and the average best overlap."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from segmentation.metrics.ground_truth import GroundTruth, Row, read_ground_truth
from segmentation.metrics.overlap import best_overlaps
from segmentation.metrics.predictions import read_predictions

COCO_NUMBERS = ("AP", "AP50", "AP75", "APS", "APM", "APL", "AR1", "AR10", "AR100", "ARS", "ARM", "ARL")
MAX_DETS = (1, 10, 100)


@dataclass(frozen=True)
class InstanceScores:
    """How well masks fit the objects of a data set, in percent; ``None`` where there are no such objects.

    Attributes:
        mask: COCO's twelve numbers by IoU of masks: AP, AP50, AP75, APS, APM, APL, AR1, AR10, AR100, ARS, ARM, ARL.
        box: the same by IoU of boxes.
        best_overlap: best mask IoU of an object with any of its photo's 100 best-scored masks, averaged over objects.
        protocol: how they were computed, and on how many photos, objects and predictions.
        notes: photos that were not matched.
    """

    mask: dict[str, float | None]
    box: dict[str, float | None]
    best_overlap: float | None
    protocol: dict[str, Any]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """All but the notes, for a JSON file."""
        return {"mask": self.mask, "box": self.box, "best_overlap": self.best_overlap, "protocol": self.protocol}


def evaluate_instances(
    ground_truth: str | Path | Mapping[str, Any],
    predictions: str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]],
    *,
    class_agnostic: bool = False,
    kind: str = "instance",
) -> InstanceScores:
    """Scores masks by COCO's protocol (``pycocotools``; 1, 10 and 100 masks a photo) and by their best overlap.

    Neither argument is changed. Areas (small, medium, large) of predictions are those of the mask for masks and of the
    box for boxes, as CutLER and Detectron2 have it.

    Args:
        ground_truth: a COCO file, or what was loaded from one.
        predictions: a COCO-format file with ``images`` and scored ``annotations``, whose photos are found in the ground
            truth by file name (the whole of it, else its last part if only one photo of each side has that), or a list
            of COCO results, whose photos are found by ``image_id``; or what was loaded from either. Boxes are the
            given ``bbox``, or those of the masks. Predictions of other photos are left out; photos without predictions
            count. Both are told in ``notes``.
        class_agnostic: every category becomes one, CutLER's protocol. Otherwise AP is averaged over the categories,
            and the ``category_id`` of predictions must be the ground truth's.
        kind: predictions that have a ``kind`` count if it is this one: ``instance``, ``semantic`` or ``all``.

    Raises:
        ValueError: a file that is not in the format, no photo in common, a prediction without score or mask, a mask of
            another size than its photo's, or categories that the ground truth does not have.

    Example:
        >>> square = [[0, 0, 4, 0, 4, 4, 0, 4]]
        >>> truth = {
        ...     "images": [{"id": 7, "file_name": "a.jpg", "height": 8, "width": 8}],
        ...     "categories": [{"id": 3, "name": "tile"}],
        ...     "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "segmentation": square, "area": 16,
        ...                      "bbox": [0, 0, 4, 4], "iscrowd": 0}],
        ... }
        >>> found = [{"image_id": 7, "category_id": 3, "segmentation": [[0, 0, 4, 0, 4, 3, 0, 3]], "score": 0.9}]
        >>> scores = evaluate_instances(truth, found)
        >>> scores.best_overlap, scores.mask["AR100"], scores.mask["APL"]
        (75.0, 60.0, None)
    """
    truth = read_ground_truth(ground_truth)
    found = read_predictions(predictions, truth, class_agnostic=class_agnostic, kind=kind)
    overlaps = best_overlaps(truth, found.masks, MAX_DETS[-1])
    crowds = sum(bool(row["iscrowd"]) for row in truth.objects)
    return InstanceScores(
        mask=_coco_numbers("segm", truth, found.masks, class_agnostic),
        box=_coco_numbers("bbox", truth, found.masks, class_agnostic),
        best_overlap=100 * float(overlaps.mean()) if overlaps.size else None,
        protocol={
            "class_agnostic": class_agnostic,
            "kind": kind,
            "photos": len(truth.photos),
            "photos_without_predictions": found.photos_missing,
            "objects": len(truth.objects) - crowds,
            "crowd_objects": crowds,
            "best_overlap_objects": int(overlaps.size),
            "predictions": len(found.masks),
            "predictions_left_out": found.left_out,
            "max_dets": list(MAX_DETS),
        },
        notes=found.notes,
    )


def _coco_numbers(
    iou_type: str, truth: GroundTruth, masks: Sequence[Row], class_agnostic: bool
) -> dict[str, float | None]:
    found = []
    for row in masks:
        area = coco_mask.area(row["segmentation"]) if iou_type == "segm" else row["bbox"][2] * row["bbox"][3]
        found.append({**row, "area": float(area), "iscrowd": 0})
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(
            _as_coco(truth, truth.objects, class_agnostic), _as_coco(truth, found, class_agnostic), iou_type
        )
        evaluation.params.maxDets = list(MAX_DETS)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    numbers = zip(COCO_NUMBERS, evaluation.stats, strict=True)
    return {name: None if number == -1 else 100 * float(number) for name, number in numbers}


def _as_coco(truth: GroundTruth, rows: Sequence[Row], class_agnostic: bool) -> COCO:
    """The rows as pycocotools holds them: copies, since it writes into them."""
    coco = COCO()
    coco.dataset = {
        "images": [{"id": key, "height": photo.height, "width": photo.width} for key, photo in truth.photos.items()],
        "categories": [{"id": 1}] if class_agnostic else [{"id": key} for key in truth.categories],
        "annotations": [
            # numbered from 1: pycocotools takes an object of id 0 for "not matched"
            {**row, "id": number, "category_id": 1 if class_agnostic else row["category_id"]}
            for number, row in enumerate(rows, start=1)
        ],
    }
    coco.createIndex()
    return coco
