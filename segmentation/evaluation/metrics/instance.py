"""COCO's twelve numbers for masks and boxes, and the average best overlap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from graphpool.checks import check_choice
from segmentation.base.choices import COCO_ENGINES
from segmentation.evaluation.metrics.average_precision import MAX_DETS
from segmentation.evaluation.metrics.fit_plan import FitPlan, FittedMapping
from segmentation.evaluation.metrics.instance_fit import PhotoInstances, fit_instance_mapping, photos_of, sorted_ids
from segmentation.evaluation.metrics.instance_quality import InstanceQuality
from segmentation.evaluation.metrics.libraries import library_numbers
from segmentation.evaluation.metrics.parallel import choose_workers, work_on
from segmentation.evaluation.metrics.predictions import Predictions, Source, checked_masks, read_predictions
from segmentation.evaluation.truth.ground_truth import GroundTruth, PhotoId, Row, read_ground_truth
from segmentation.prediction.clusters import ClusterMapping


@dataclass(frozen=True)
class InstanceScores:
    """How well masks fit the objects of a data set, in percent; ``None`` where there are no such objects.

    Attributes:
        mask: COCO's twelve numbers by IoU of masks: AP, AP50, AP75, APS, APM, APL, AR1, AR10, AR100, ARS, ARM, ARL.
        box: the same by IoU of boxes.
        best_overlap: best mask IoU of an object with any of its photo's 100 best-scored masks, averaged over objects.
        per_class: ``AP`` and ``AP50`` of each category by its name, of masks (of boxes where there are no masks); empty
            where all categories are one.
        protocol: how they were computed, and on how many photos, objects and predictions.
        notes: photos that were not matched.
        mapping: of clusters to categories, if there was one.
        quality: what the numbers were computed from.
    """

    mask: dict[str, float | None]
    box: dict[str, float | None]
    best_overlap: float | None
    per_class: dict[str, dict[str, float | None]]
    protocol: dict[str, Any]
    notes: tuple[str, ...] = ()
    mapping: ClusterMapping | None = None
    quality: InstanceQuality | None = field(default=None, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """All but the notes, for a JSON file."""
        return {
            "mask": self.mask,
            "box": self.box,
            "best_overlap": self.best_overlap,
            "per_class": self.per_class,
            "protocol": self.protocol,
        }


def evaluate_instances(
    ground_truth: str | Path | Mapping[str, Any] | GroundTruth,
    predictions: Source,
    *,
    class_agnostic: bool = False,
    kind: str = "instance",
    mapping: ClusterMapping | FittedMapping | FitPlan | None = None,
    engine: str = "own",
    workers: int | None = 1,
    progress: bool = False,
) -> InstanceScores:
    """Scores masks by COCO's protocol (1, 10 and 100 masks a photo) and by their best overlap.

    Neither argument is changed. Areas (small, medium, large) of predictions are those of the mask for masks and of the
    box for boxes, as CutLER and Detectron2 have it.

    Args:
        ground_truth: a COCO file, what was loaded from one, or what the reader of a data set made of it.
        predictions: a COCO-format file with ``images`` and scored ``annotations``, whose photos are found in the ground
            truth by file name (the whole of it, else its last part if only one photo of each side has that), or a list
            of COCO results, whose photos are found by ``image_id``; or what was loaded from either. Boxes are the
            given ``bbox``, or those of the masks. Predictions of other photos are left out; photos without predictions
            count. Both are told in ``notes``.
        class_agnostic: every category becomes one, CutLER's protocol. Otherwise AP is averaged over the categories,
            and the ``category_id`` of predictions must be the ground truth's, or there is a mapping.
        kind: predictions that have a ``kind`` count if it is this one: ``instance``, ``semantic`` or ``all``.
        mapping: the ``category_id`` of predictions is a cluster (that of their file's ``categories``, where these have
            a ``cluster``), and this says what it stands for, or how to find out. Predictions of clusters that stand for
            no category find nothing. Where all categories are one, a fitted mapping only says which photos are scored.
        engine: what counts the twelve numbers: ``own``, a photo at a time and in several processes, or, as a check on
            it, ``pycocotools`` or ``faster-coco-eval``, in one process with everything in memory. They give the same.
        workers: number of processes; ``None`` for as many as are worth it.
        progress: shows a bar on standard error.

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
    check_choice("engine", engine, COCO_ENGINES)
    if class_agnostic and not isinstance(mapping, FittedMapping | None):
        raise ValueError("'mapping' must be None where every category is one ('class_agnostic'), got one")
    truth = ground_truth if isinstance(ground_truth, GroundTruth) else read_ground_truth(ground_truth)
    labels = "none" if class_agnostic else "categories" if mapping is None else "clusters"
    found = read_predictions(predictions, truth, kind=kind, labels=labels)
    workers = choose_workers(len(truth.photos), workers)
    keys = sorted_ids(truth)
    if isinstance(mapping, FitPlan):
        fitted, keys = mapping.split(keys)
        mapping = fit_instance_mapping(truth, found, mapping, fitted, workers=workers, progress=progress)
    elif isinstance(mapping, FittedMapping):
        keys = mapping.plan.split(keys)[1]
        mapping = None if class_agnostic else mapping.mapping
    facts: dict[str, Any] = {}
    if mapping is not None:
        facts = _map_categories(mapping, truth, found, keys)
    quality = InstanceQuality(list(truth.categories), class_agnostic=class_agnostic, has_masks=truth.has_masks)
    portions = work_on(
        partial(_score, list(truth.categories), class_agnostic, truth.has_masks, found.source),
        photos_of(truth, found, keys),
        len(keys),
        workers=workers,
        title="instances" if progress else None,
    )
    for part in portions:
        quality.merge(part)
    numbers = quality.compute()
    mask, box = numbers.mask, numbers.box
    if engine != "own":
        rows = {photo: _rows(truth, found, photo, class_agnostic) for photo in keys}
        mask, box = (
            library_numbers(engine, truth, rows, shape, class_agnostic=class_agnostic)
            if shape in quality.precision
            else own
            for shape, own in (("mask", mask), ("box", box))
        )
    return InstanceScores(
        mask=mask,
        box=box,
        best_overlap=numbers.best_overlap,
        per_class={} if class_agnostic else _per_class(quality, truth),
        protocol={
            "task": "instance",
            "class_agnostic": class_agnostic,
            "kind": kind,
            **_counts(truth, found, keys),
            "best_overlap_objects": numbers.best_overlap_objects,
            "predictions_left_out": found.left_out,
            "max_dets": list(MAX_DETS),
            "engine": engine,
            **facts,
        },
        notes=found.notes,
        mapping=mapping,
        quality=quality,
    )


def _score(
    categories: Sequence[int], class_agnostic: bool, has_masks: bool, source: str, photos: Sequence[PhotoInstances]
) -> InstanceQuality:
    quality = InstanceQuality(categories, class_agnostic=class_agnostic, has_masks=has_masks)
    for photo, objects, found in photos:
        rows = checked_masks(found, photo, source, has_masks=has_masks)
        quality.update(photo, objects, _with_category(rows, class_agnostic))
    return quality


def _with_category(rows: Sequence[Row], class_agnostic: bool) -> list[Row]:
    """Those whose clusters stand for a category."""
    return [row for row in rows if class_agnostic or row["category_id"] is not None]


def _rows(truth: GroundTruth, found: Predictions, photo: PhotoId, class_agnostic: bool) -> list[Row]:
    rows = checked_masks(found.found[photo], truth.photos[photo], found.source, has_masks=truth.has_masks)
    return _with_category(rows, class_agnostic)


def _map_categories(
    mapping: ClusterMapping, truth: GroundTruth, found: Predictions, keys: Sequence[PhotoId]
) -> dict[str, Any]:
    """Gives the predictions the categories that their clusters stand for; says how many have none."""
    categories, classes = list(truth.categories), mapping.for_classes(truth.classes.names)
    scored, without = set(keys), 0
    for key, masks in found.found.items():
        for mask in masks:
            place = classes.class_of(mask.label)
            mask.label = None if place is None else categories[place]
            without += place is None and key in scored
    return {"mapping": classes.facts(), "predictions_without_class": without}


def _counts(truth: GroundTruth, found: Predictions, keys: Sequence[PhotoId]) -> dict[str, int]:
    objects_of = truth.objects_of()
    objects = [row for key in keys for row in objects_of[key]]
    crowds = sum(bool(row["iscrowd"]) for row in objects)
    return {
        "photos": len(keys),
        "photos_without_predictions": len(found.missing.intersection(keys)),
        "objects": len(objects) - crowds,
        "crowd_objects": crowds,
        "predictions": sum(len(found.found[key]) for key in keys),
    }


def _per_class(quality: InstanceQuality, truth: GroundTruth) -> dict[str, dict[str, float | None]]:
    precision = quality.precision["mask" if truth.has_masks else "box"]
    return {truth.categories[category]: numbers for category, numbers in precision.per_category().items()}
