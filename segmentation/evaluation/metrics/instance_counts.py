"""Tables of instances, which a mapping of clusters is fitted to."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int64
from pycocotools import mask as coco_mask
from scipy.optimize import linear_sum_assignment

from graphpool.checks import check_number
from segmentation.evaluation.metrics.semantic_quality import confusion_matrix

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
