"""Fits a mapping of clusters to categories on the instances of photos."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64
from pycocotools import mask as coco_mask
from scipy.optimize import linear_sum_assignment

from graphpool.checks import check_number
from segmentation.evaluation.metrics.fit_plan import FitPlan
from segmentation.evaluation.metrics.mapping import check_clusters, fit_mapping
from segmentation.evaluation.metrics.parallel import work_on
from segmentation.evaluation.metrics.predictions import FoundMask, Predictions, checked_masks
from segmentation.evaluation.metrics.semantic_quality import confusion_matrix
from segmentation.evaluation.truth.ground_truth import GroundTruth, Photo, PhotoId, Row
from segmentation.evaluation.truth.truth_maps import ClassList
from segmentation.prediction.clusters import ClusterMapping

VOTE_SCORE, VOTE_IOU = 0.6, 0.7  # U2Seg's


def mask_overlaps(
    truth: Bool[np.ndarray, "true height width"], predicted: Bool[np.ndarray, "predicted height width"]
) -> Float[np.ndarray, "true predicted"]:
    """IoU of each true mask with each predicted one."""
    if not len(truth) or not len(predicted):
        return np.zeros((len(truth), len(predicted)))
    one, other = (
        coco_mask.encode(np.asfortranarray(masks.transpose(1, 2, 0), dtype=np.uint8)) for masks in (truth, predicted)
    )
    overlaps: np.ndarray = coco_mask.iou(one, other, [0] * len(other))
    return overlaps


def matched_instances(
    overlaps: Float[np.ndarray, "true predicted"],
    truth_classes: Sequence[int],
    predicted_clusters: Sequence[int],
    num_classes: int,
    num_clusters: int,
    iou: float = 0.5,
) -> Int64[np.ndarray, "classes clusters_and_none"]:
    """The table of one photo's instances: the cluster of the prediction that each true instance is matched with.

    They are matched one-to-one so that the sum of the overlaps above ``iou`` is largest, whatever class and cluster.

    Args:
        overlaps: IoU of each true instance with each predicted one (:func:`mask_overlaps`, ``pycocotools.mask.iou``).
        truth_classes: class of each true instance, from 0; one of -1 is matched but not counted.
        predicted_clusters: cluster of each predicted instance, from 0, or -1 for none.
        num_classes: number of classes.
        num_clusters: number of clusters.
        iou: pairs have to overlap by more.

    Raises:
        ValueError: sizes that do not fit, or a class or cluster that there is not.

    Example:
        >>> overlaps = np.array([[0.6, 0.9, 0.0], [0.0, 0.8, 0.0]])
        >>> matched_instances(overlaps, [0, 1], [2, 0, 1], num_classes=2, num_clusters=3)
        array([[0, 0, 1, 0],
               [1, 0, 0, 0]])
    """
    check_number("iou", iou, 0, 1)
    if overlaps.shape != (len(truth_classes), len(predicted_clusters)):
        raise ValueError(
            f"'overlaps' must have the shape {[len(truth_classes), len(predicted_clusters)]} (true and predicted "
            f"instances), got {list(overlaps.shape)}"
        )
    enough = np.where(overlaps > iou, overlaps, 0)
    true, predicted = linear_sum_assignment(enough, maximize=True)
    matched = enough[true, predicted] > 0
    cluster_of = np.full((1, len(truth_classes)), -1)
    cluster_of[0, true[matched]] = np.array(predicted_clusters, np.int64)[predicted[matched]]
    return confusion_matrix(np.array([truth_classes], np.int64), cluster_of, num_classes, num_clusters, ignore=-1)


def voted_instances(
    overlaps: Float[np.ndarray, "true predicted"],
    truth_classes: Sequence[int],
    predicted_clusters: Sequence[int],
    scores: Sequence[float],
    num_classes: int,
    num_clusters: int,
) -> Int64[np.ndarray, "classes clusters_and_none"]:
    """The votes of one photo: a true box gives one to every prediction that overlaps it by more than 0.7.

    Predictions with a score below 0.6 get none. These are the numbers of U2Seg's released code.

    Args:
        overlaps: IoU of each true **box** with each predicted one.
        truth_classes: class of each true instance, from 0.
        predicted_clusters: cluster of each predicted instance, from 0.
        scores: of the predicted instances.
        num_classes: number of classes.
        num_clusters: number of clusters.

    Example:
        >>> overlaps = np.array([[0.6, 0.9, 0.8]])
        >>> voted_instances(overlaps, [1], [2, 0, 1], [0.9, 0.9, 0.5], num_classes=2, num_clusters=3)
        array([[0, 0, 0, 0],
               [1, 0, 0, 0]])
    """
    votes = np.zeros((num_classes, num_clusters + 1), np.int64)
    true, predicted = ((overlaps > VOTE_IOU) & (np.asarray(scores) >= VOTE_SCORE)).nonzero()
    clusters = np.asarray(predicted_clusters, np.int64)[predicted]
    np.add.at(votes, (np.asarray(truth_classes, np.int64)[true], clusters), 1)
    return votes


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

    By ``vote``, boxes vote (:func:`~segmentation.evaluation.metrics.instance_fit.voted_instances`); else predictions
    and objects that overlap by more than half are matched
    (:func:`~segmentation.evaluation.metrics.instance_fit.matched_instances`).

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
        partial(_count_photos, truth.classes, clusters, plan.rule, truth.has_masks, found.source),
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


def _count_photos(
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
