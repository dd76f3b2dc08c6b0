"""Fits a mapping of clusters to categories on the instances of photos."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int64
from pycocotools import mask as coco_mask
from scipy.optimize import linear_sum_assignment

from segmentation.evaluation.metrics.mapping import FitPlan, check_clusters, fit_mapping
from segmentation.evaluation.metrics.parallel import work_on
from segmentation.evaluation.metrics.prediction_file import PredictedMask
from segmentation.evaluation.metrics.predictions import Predictions, checked_masks
from segmentation.evaluation.metrics.semantic_quality import confusion_matrix
from segmentation.evaluation.truth.ground_truth import GroundTruth, Photo, PhotoId, Row
from segmentation.evaluation.truth.truth_maps import ClassList
from segmentation.prediction.clusters import ClusterMapping

MATCH_IOU = 0.5
VOTE_SCORE, VOTE_IOU = 0.6, 0.7  # U2Seg's


def matched_instances(
    overlaps: Float[np.ndarray, "true predicted"],
    truth_classes: Sequence[int],
    predicted_clusters: Sequence[int],
    num_classes: int,
    num_clusters: int,
) -> Int64[np.ndarray, "classes clusters_and_none"]:
    """Counts the clusters of the predictions that the true instances of one photo are matched with.

    They are matched one-to-one, whatever class and cluster, so that the sum of the overlaps above 0.5 is largest.

    Args:
        overlaps: IoU of each true instance with each predicted one (``pycocotools.mask.iou``).
        truth_classes: class of each true instance, from 0; one of -1 is matched but not counted.
        predicted_clusters: cluster of each predicted instance, from 0, or -1 for none.
        num_classes: number of classes.
        num_clusters: number of clusters.

    Raises:
        ValueError: sizes that do not fit, or a class or cluster out of range.

    Example:
        >>> overlaps = np.array([[0.6, 0.9, 0.0], [0.0, 0.8, 0.0]])
        >>> matched_instances(overlaps, [0, 1], [2, 0, 1], num_classes=2, num_clusters=3)
        array([[0, 0, 1, 0],
               [1, 0, 0, 0]])
    """
    if overlaps.shape != (len(truth_classes), len(predicted_clusters)):
        raise ValueError(
            f"'overlaps' must have the shape {[len(truth_classes), len(predicted_clusters)]} (true and predicted "
            f"instances), got {list(overlaps.shape)}"
        )
    candidates = np.where(overlaps > MATCH_IOU, overlaps, 0)
    true, predicted = linear_sum_assignment(candidates, maximize=True)
    matched = candidates[true, predicted] > 0
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
    """Counts the votes of one photo: every true box votes for all predictions that it overlaps by more than 0.7.

    Predictions with a score below 0.6 get no votes. Both thresholds are those of U2Seg's released code.

    Args:
        overlaps: IoU of each true **box** with each predicted one.
        truth_classes: class of each true instance, from 0.
        predicted_clusters: cluster of each predicted instance, from 0.
        scores: scores of the predicted instances.
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
    """A photo, its labelled objects, and its predictions as their file has them."""

    photo: Photo
    objects: list[Row]
    predictions: list[PredictedMask]


def photos_of(truth: GroundTruth, predictions: Predictions, keys: Sequence[PhotoId]) -> Iterator[PhotoInstances]:
    """Yields the photos of the given ids."""
    objects_of = truth.objects_of()
    for key in keys:
        yield PhotoInstances(truth.photos[key], objects_of[key], predictions.masks[key])


def fit_instance_mapping(
    truth: GroundTruth,
    predictions: Predictions,
    plan: FitPlan,
    keys: Sequence[PhotoId],
    *,
    workers: int = 1,
    progress: bool = False,
) -> ClusterMapping:
    """Fits a mapping of clusters to categories on some photos.

    By the rule ``vote``, boxes vote (:func:`voted_instances`); by the others, predictions and objects that overlap by
    more than half are matched (:func:`matched_instances`).

    Args:
        truth: the ground truth.
        predictions: predictions whose labels are clusters.
        plan: plan with the rule.
        keys: ids of the photos to fit on.
        workers: number of processes.
        progress: whether to show a bar.

    Raises:
        ValueError: a cluster that is not a whole number, or a prediction that cannot be read.
    """
    labels = {mask.label for key in keys for mask in predictions.masks[key]}
    check_clusters(predictions.source, labels)
    clusters, classes = sorted(labels), truth.classes
    portions = work_on(
        partial(_count_photos, classes, clusters, plan.rule, truth.has_masks, predictions.source),
        photos_of(truth, predictions, keys),
        len(keys),
        workers=workers,
        title="mapping" if progress else None,
    )
    return fit_mapping(
        sum(portions, np.zeros((len(classes), len(clusters) + 1), np.int64)),
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
    for photo, objects, masks in photos:
        predicted = checked_masks(masks, photo, source, has_masks=has_masks)
        true = [row for row in objects if not row["iscrowd"]]
        if not true or not predicted:
            continue
        shapes: list[Any] = [[row[key] for row in rows] for rows in (true, predicted)]
        if key == "bbox":
            shapes = [np.array(boxes, dtype=np.float64) for boxes in shapes]
        overlaps = np.asarray(coco_mask.iou(*shapes, [0] * len(predicted)))
        places = [classes.place_of[row["category_id"]] for row in true]
        labels = [column[row["category_id"]] for row in predicted]
        if rule == "vote":
            scores = [row["score"] for row in predicted]
            counts += voted_instances(overlaps, places, labels, scores, len(classes), len(clusters))
        else:
            counts += matched_instances(overlaps, places, labels, len(classes), len(clusters))
    return counts
