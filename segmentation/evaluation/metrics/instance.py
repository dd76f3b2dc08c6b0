"""Scores masks and boxes from files: COCO's twelve numbers, AR at more detections, and the average best overlap."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from graphpool.checks import check_choice
from segmentation.base.choices import COCO_ENGINES
from segmentation.evaluation.metrics.detection_limits import MAX_DETS, check_max_dets
from segmentation.evaluation.metrics.instance_fit import PhotoInstances, fit_instance_mapping, photos_of
from segmentation.evaluation.metrics.instance_quality import (
    InstanceQuality,
    ScoredPhoto,
    choose_engine,
    library_numbers,
)
from segmentation.evaluation.metrics.mapping import FitPlan, FittedMapping
from segmentation.evaluation.metrics.parallel import choose_workers, work_on
from segmentation.evaluation.metrics.prediction_file import Source
from segmentation.evaluation.metrics.predictions import Predictions, checked_masks, read_predictions
from segmentation.evaluation.truth.ground_truth import GroundTruth, PhotoId, read_ground_truth
from segmentation.prediction.clusters import ClusterMapping


@dataclass(frozen=True)
class InstanceScores:
    """Scores of the instances of a data set, in percent; ``None`` where there are no such objects.

    Attributes:
        mask: COCO's twelve numbers by IoU of masks: AP, AP50, AP75, APS, APM, APL, AR1, AR10, AR100, ARS, ARM, ARL;
            and for each of ``max_dets`` that is not among them, such as 1,000: AR1000, AR1000S, AR1000M, AR1000L.
        box: the same numbers by IoU of boxes.
        best_overlap: best mask IoU of an object with any of its photo's 100 best-scored masks, averaged over objects.
        per_class: ``AP``, ``AP50`` and, say, ``AR1000`` of each category by its name, of masks (of boxes where there
            are no masks); empty where all categories are one.
        protocol: facts about the computation: options, and numbers of photos, objects and predictions.
        notes: sentences about photos that were not matched.
        mapping: mapping of clusters to categories, if there was one.
        counted: counts of the photos by our own code, or a function that makes them.
    """

    mask: dict[str, float | None]
    box: dict[str, float | None]
    best_overlap: float | None
    per_class: dict[str, dict[str, float | None]]
    protocol: dict[str, Any]
    notes: tuple[str, ...] = ()
    mapping: ClusterMapping | None = None
    counted: InstanceQuality | Callable[[], InstanceQuality] | None = field(default=None, repr=False, compare=False)

    @cached_property
    def quality(self) -> InstanceQuality | None:
        """Counts that can be resampled; where a library made the numbers, they are made at the first use."""
        return self.counted() if callable(self.counted) else self.counted

    def to_dict(self) -> dict[str, Any]:
        """Returns everything but the notes, for a JSON file."""
        return {name: getattr(self, name) for name in ("mask", "box", "best_overlap", "per_class", "protocol")}


def evaluate_instances(
    ground_truth: str | Path | Mapping[str, Any] | GroundTruth,
    predictions: Source,
    *,
    class_agnostic: bool = False,
    kind: str = "instance",
    mapping: ClusterMapping | FittedMapping | FitPlan | None = None,
    max_dets: Sequence[int] = (),
    engine: str = "auto",
    workers: int | None = 1,
    progress: bool = False,
) -> InstanceScores:
    """Scores masks by COCO's protocol (1, 10 and 100 masks a photo) and by their best overlap.

    Neither argument is changed. Areas (small, medium, large) of predictions are those of the mask for masks and of the
    box for boxes, as in CutLER and Detectron2.

    Args:
        ground_truth: a COCO file, the contents of one, or the ground truth that the reader of a data set returned.
        predictions: a COCO-format file with ``images`` and scored ``annotations``, or a list of COCO results, or the
            contents of either. Photos are matched by file name if there are ``images`` (the whole name, else its last
            part if one photo of each side has it), else by ``image_id``. Boxes are the given ``bbox``, or those of
            the masks. Predictions of other photos are left out, and photos without predictions count; ``notes`` tell.
        class_agnostic: whether all categories are taken as one, CutLER's protocol. Otherwise AP is averaged over the
            categories, and the ``category_id`` of predictions is the ground truth's, or there is a mapping.
        kind: ``instance``, ``semantic`` or ``all``: kind of the predictions that count, where they have a ``kind``.
        mapping: mapping of the clusters, or plan to fit one, where the ``category_id`` of predictions is a cluster (or
            their file's ``categories`` have a ``cluster``). Predictions whose clusters stand for no category are left
            out. Where all categories are one, a fitted mapping only says which photos are scored.
        max_dets: more numbers of predictions of a photo at which average recall is measured, beside COCO's 1, 10 and
            100: ``(1000,)`` adds the AR1000 that papers on segmenting everything report. No other number changes: AP
            and the best overlap are of 100 predictions.
        engine: code that counts the numbers; all give the same. ``pycocotools`` and ``faster-coco-eval`` (where
            it is installed) need one process and all photos in memory; ``own`` goes photo by photo, in several
            processes. ``auto`` is ``pycocotools`` for one process and at most 10,000 predictions and 10,000 pairs of
            photo and category, else ``own``.
        workers: number of processes; ``None`` for as many as are worth it.
        progress: whether to show a bar on standard error.

    Raises:
        TypeError: ``max_dets`` that are no ints.
        ValueError: one of ``max_dets`` is below 1 or there twice, a file that is not in the format, no photo in common,
            a prediction without score or mask, a mask of another size than its photo's, or categories that the ground
            truth does not have.

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
    more_dets = check_max_dets(max_dets)
    if class_agnostic and not isinstance(mapping, FittedMapping | None):
        raise ValueError("'mapping' must be None where every category is one ('class_agnostic'), got one")
    truth = ground_truth if isinstance(ground_truth, GroundTruth) else read_ground_truth(ground_truth)
    labels = "none" if class_agnostic else "categories" if mapping is None else "clusters"
    found = read_predictions(predictions, truth, kind=kind, labels=labels)
    workers = choose_workers(len(truth.photos), workers)
    # pycocotools' order, which decides between equal scores
    keys = sorted(truth.photos, key=lambda key: (isinstance(key, str), key))
    if isinstance(mapping, FitPlan):
        fitted, keys = mapping.split(keys)
        mapping = fit_instance_mapping(truth, found, mapping, fitted, workers=workers, progress=progress)
    elif isinstance(mapping, FittedMapping):
        keys = mapping.plan.split(keys)[1]
        mapping = None if class_agnostic else mapping.mapping
    facts: dict[str, Any] = {}
    if mapping is not None:
        facts = _map_categories(mapping, truth, found, keys)
    counts = _counts(truth, found, keys)
    categories = list(truth.categories)
    pairs = len(keys) * (1 if class_agnostic else len(categories))
    engine = choose_engine(engine, counts["predictions"], pairs, workers)
    options: dict[str, Any] = {"class_agnostic": class_agnostic, "has_masks": truth.has_masks}
    counting = {**options, "max_dets": more_dets}
    counted = partial(_count, truth, found, keys, counting, workers=workers, title="instances" if progress else None)
    if engine == "own":
        quality = counted()
        numbers = quality.compute()
    else:
        quality = None
        photos = _scored_photos(list(photos_of(truth, found, keys)), found.source, **options)
        numbers = library_numbers(engine, photos, categories, **counting)
    return InstanceScores(
        mask=numbers.mask,
        box=numbers.box,
        best_overlap=numbers.best_overlap,
        per_class={truth.categories[category]: values for category, values in numbers.per_category.items()},
        protocol={
            "task": "instance",
            "class_agnostic": class_agnostic,
            "kind": kind,
            **counts,
            "best_overlap_objects": numbers.best_overlap_objects,
            "predictions_left_out": found.left_out,
            "max_dets": sorted({*MAX_DETS, *more_dets}),
            "engine": engine,
            **facts,
        },
        notes=found.notes,
        mapping=mapping,
        counted=quality or counted,
    )


def _count(
    truth: GroundTruth,
    predictions: Predictions,
    keys: Sequence[PhotoId],
    options: Mapping[str, Any],
    *,
    workers: int,
    title: str | None,
) -> InstanceQuality:
    categories = list(truth.categories)
    work = partial(_count_photos, categories, options, predictions.source)
    quality = InstanceQuality(categories, **options)
    for part in work_on(work, photos_of(truth, predictions, keys), len(keys), workers=workers, title=title):
        quality.merge(part)
    return quality


def _count_photos(
    categories: Sequence[int], options: Mapping[str, Any], source: str, photos: Sequence[PhotoInstances]
) -> InstanceQuality:
    quality = InstanceQuality(categories, **options)
    checks = {name: options[name] for name in ("class_agnostic", "has_masks")}
    for photo in _scored_photos(photos, source, **checks):
        quality.update(*photo)
    return quality


def _scored_photos(
    photos: Sequence[PhotoInstances], source: str, *, class_agnostic: bool, has_masks: bool
) -> list[ScoredPhoto]:
    """Checks the predictions of photos, and leaves out those whose clusters stand for no category."""
    scored = []
    for photo, objects, masks in photos:
        rows = checked_masks(masks, photo, source, has_masks=has_masks)
        rows = [row for row in rows if class_agnostic or row["category_id"] is not None]
        scored.append(ScoredPhoto(photo, objects, rows))
    return scored


def _map_categories(
    mapping: ClusterMapping, truth: GroundTruth, predictions: Predictions, keys: Sequence[PhotoId]
) -> dict[str, Any]:
    """Gives the predictions the categories of their clusters, and returns facts for the protocol."""
    categories, classes = list(truth.categories), mapping.for_classes(truth.classes.names)
    scored, without = set(keys), 0
    for key, masks in predictions.masks.items():
        for mask in masks:
            place = classes.class_of(mask.label)
            mask.label = None if place is None else categories[place]
            without += place is None and key in scored
    return {"mapping": classes.facts(), "predictions_without_class": without}


def _counts(truth: GroundTruth, predictions: Predictions, keys: Sequence[PhotoId]) -> dict[str, int]:
    objects_of = truth.objects_of()
    objects = [row for key in keys for row in objects_of[key]]
    crowds = sum(bool(row["iscrowd"]) for row in objects)
    return {
        "photos": len(keys),
        "photos_without_predictions": len(predictions.missing.intersection(keys)),
        "objects": len(objects) - crowds,
        "crowd_objects": crowds,
        "predictions": sum(len(predictions.masks[key]) for key in keys),
    }
