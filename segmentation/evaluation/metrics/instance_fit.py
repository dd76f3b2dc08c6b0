"""Mappings of clusters to categories, fitted on the instances of photos."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64
from pycocotools import mask as coco_mask

from segmentation.evaluation.metrics.fit_plan import FitPlan
from segmentation.evaluation.metrics.instance_counts import matched_instances, voted_instances
from segmentation.evaluation.metrics.mapping import check_clusters, fit_mapping
from segmentation.evaluation.metrics.parallel import work_on
from segmentation.evaluation.metrics.predictions import Predictions
from segmentation.evaluation.metrics.scored_masks import FoundMask, checked_masks
from segmentation.evaluation.truth.ground_truth import GroundTruth, Photo, PhotoId, Row
from segmentation.evaluation.truth.truth_maps import ClassList
from segmentation.prediction.clusters import ClusterMapping


class PhotoInstances(NamedTuple):
    """The objects of a photo, and what was predicted."""

    photo: Photo
    objects: list[Row]
    found: list[FoundMask]


def sorted_ids(truth: GroundTruth) -> list[PhotoId]:
    """The photos in the order in which pycocotools has them, which decides between equal scores."""
    return sorted(truth.photos, key=lambda key: (isinstance(key, str), key))


def photos_of(truth: GroundTruth, found: Predictions, keys: Sequence[PhotoId]) -> Iterator[PhotoInstances]:
    """The photos of the given ids."""
    objects_of = truth.objects_of()
    for key in keys:
        yield PhotoInstances(truth.photos[key], objects_of[key], found.found[key])


def fit_instance_mapping(
    truth: GroundTruth,
    found: Predictions,
    plan: FitPlan,
    keys: Sequence[PhotoId],
    *,
    workers: int = 1,
    progress: bool = False,
) -> ClusterMapping:
    """The categories that fit the clusters best, on some photos.

    By ``vote``, boxes vote (:func:`~segmentation.evaluation.metrics.instance_counts.voted_instances`); else predictions
    and objects that overlap by more than half are matched
    (:func:`~segmentation.evaluation.metrics.instance_counts.matched_instances`).

    Args:
        truth: the ground truth.
        found: predictions, whose labels are clusters.
        plan: the rule.
        keys: ids of the photos to fit on.
        workers: number of processes.
        progress: shows a bar.

    Raises:
        ValueError: a cluster that is no whole number, or a prediction that cannot be read.
    """
    labels = {mask.label for key in keys for mask in found.found[key]}
    check_clusters(found.source, labels)
    clusters = sorted(labels)
    portions = work_on(
        partial(_count, truth.classes, clusters, plan.rule, truth.has_masks, found.source),
        photos_of(truth, found, keys),
        len(keys),
        workers=workers,
        title="mapping" if progress else None,
    )
    counts = sum(portions, np.zeros((len(truth.classes), len(clusters) + 1), np.int64))
    classes = truth.classes
    return fit_mapping(
        counts,
        plan.rule,
        names=classes.names,
        is_thing=classes.is_thing,
        fitted_on=plan.describe(len(keys)),
        clusters=clusters,
    )


def _count(
    classes: ClassList,
    clusters: Sequence[int],
    rule: str,
    has_masks: bool,
    source: str,
    photos: Sequence[PhotoInstances],
) -> Int64[np.ndarray, "classes clusters_and_none"]:
    counts = np.zeros((len(classes), len(clusters) + 1), np.int64)
    column = {cluster: place for place, cluster in enumerate(clusters)}
    key = "bbox" if rule == "vote" or not has_masks else "segmentation"
    for photo, objects, found in photos:
        rows = checked_masks(found, photo, source, has_masks=has_masks)
        true = [row for row in objects if not row["iscrowd"]]
        if not true or not rows:
            continue
        shapes: list[Any] = [[row[key] for row in part] for part in (true, rows)]
        if key == "bbox":
            shapes = [np.array(boxes, dtype=np.float64) for boxes in shapes]
        overlaps = np.asarray(coco_mask.iou(*shapes, [0] * len(rows)))
        places = [classes.place_of[row["category_id"]] for row in true]
        labels = [column[row["category_id"]] for row in rows]
        if rule == "vote":
            scores = [row["score"] for row in rows]
            counts += voted_instances(overlaps, places, labels, scores, len(classes), len(clusters))
        else:
            counts += matched_instances(overlaps, places, labels, len(classes), len(clusters))
    return counts
