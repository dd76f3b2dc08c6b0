"""COCO's twelve numbers by the libraries that others have them from, to check ours."""

import contextlib
import importlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

from segmentation.evaluation.metrics.average_precision import COCO_NUMBERS, MAX_DETS
from segmentation.evaluation.truth.ground_truth import GroundTruth, PhotoId, Row


def library_numbers(
    engine: str,
    truth: GroundTruth,
    found: Mapping[PhotoId, Sequence[Row]],
    iou_type: str,
    *,
    class_agnostic: bool,
) -> dict[str, float | None]:
    """What a library says of predictions, in percent.

    Args:
        engine: ``pycocotools``, or ``faster-coco-eval`` where it is installed.
        truth: the ground truth.
        found: predictions of each of the photos that are scored.
        iou_type: overlap of ``mask`` or of ``box``.
        class_agnostic: all categories are one.

    Raises:
        ValueError: the library is not installed.
    """
    key = "segmentation" if iou_type == "mask" else "bbox"
    coco, evaluate = _library(engine)
    numbers = {photo: number for number, photo in enumerate(found, start=1)}  # libraries want whole numbers
    objects = [row for row in truth.objects if row["image_id"] in numbers]
    results = [{**row, "image_id": photo, "iscrowd": 0} for photo, rows in found.items() for row in rows]
    sides = []
    for rows in (objects, results):
        side = coco()
        side.dataset = {
            "images": [
                {"id": number, "height": truth.photos[photo].height, "width": truth.photos[photo].width}
                for photo, number in numbers.items()
            ],
            "categories": [{"id": 1}] if class_agnostic else [{"id": category} for category in truth.categories],
            "annotations": [
                # numbered from 1: pycocotools takes an object of id 0 for "not matched"
                {
                    **row,
                    "id": number,
                    "image_id": numbers[row["image_id"]],
                    "category_id": 1 if class_agnostic else row["category_id"],
                    "area": row["area"] if "area" in row else _area(row, key),
                }
                for number, row in enumerate(rows, start=1)
            ],
        }
        sides.append(side)
    with contextlib.redirect_stdout(io.StringIO()):
        for side in sides:
            side.createIndex()
        evaluation = evaluate(*sides, "segm" if iou_type == "mask" else "bbox")
        evaluation.params.maxDets = list(MAX_DETS)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    stats = [float(number) for number in evaluation.stats[: len(COCO_NUMBERS)]]
    return {name: None if number == -1 else 100 * number for name, number in zip(COCO_NUMBERS, stats, strict=True)}


def _library(engine: str) -> tuple[Any, Any]:
    """Its classes of data sets and of evaluations."""
    if engine == "pycocotools":
        return (
            importlib.import_module("pycocotools.coco").COCO,
            importlib.import_module("pycocotools.cocoeval").COCOeval,
        )
    try:
        library = importlib.import_module("faster_coco_eval")
    except ImportError:
        raise ValueError("'engine' faster-coco-eval is not installed: pip install faster-coco-eval") from None
    return library.COCO, library.COCOeval_faster


def _area(row: Row, key: str) -> float:
    if key == "bbox":
        return float(row["bbox"][2] * row["bbox"][3])
    return float(importlib.import_module("pycocotools.mask").area(row["segmentation"]))
