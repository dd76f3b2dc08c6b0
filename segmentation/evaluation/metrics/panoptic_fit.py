"""Mappings of clusters to classes, fitted on the panoptic maps of photos."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer

from segmentation.evaluation.metrics.fit_plan import FitPlan
from segmentation.evaluation.metrics.mapping import MOST, check_clusters
from segmentation.evaluation.metrics.parallel import work_on
from segmentation.evaluation.metrics.predicted_segments import FoundMap, PredictedSegments
from segmentation.evaluation.metrics.segment_matching import number_ids
from segmentation.evaluation.metrics.semantic_maps import fit_pixel_mapping
from segmentation.evaluation.metrics.semantic_quality import SemanticQuality
from segmentation.evaluation.truth.truth_maps import IGNORE, ClassList, PanopticPhoto, read_ids
from segmentation.prediction.clusters import ClusterMapping


class PhotoSegments(NamedTuple):
    """A photo, and its predicted segments, if there are any."""

    photo: PanopticPhoto
    found: FoundMap | None


def fit_panoptic_mapping(
    classes: ClassList,
    found: PredictedSegments,
    photos: Sequence[PhotoSegments],
    plan: FitPlan,
    *,
    workers: int = 1,
    progress: bool = False,
) -> ClusterMapping:
    """The classes that share most pixels with the clusters of predicted segments, things and stuff apart.

    Args:
        classes: of the data set.
        found: the predictions.
        photos: to fit on.
        plan: the rule.
        workers: number of processes.
        progress: shows a bar.

    Raises:
        ValueError: a cluster that is no whole number, or a map that cannot be read.
    """
    labels = {segment.label for own in photos if own.found for segment in own.found.segments}
    quality = cluster_pixels(classes, found, photos, workers=workers, progress=progress)
    allowed = np.ones((len(classes), MOST), dtype=bool)
    for cluster, kinds in found.kinds.items():
        if len(kinds) == 1 and cluster in labels:
            allowed[:, cluster] = np.array(classes.is_thing) == next(iter(kinds))
    return fit_pixel_mapping(quality, classes, plan.rule, plan.describe(len(photos)), allowed)


def cluster_pixels(
    classes: ClassList,
    found: PredictedSegments,
    photos: Sequence[PhotoSegments],
    *,
    workers: int = 1,
    progress: bool = False,
) -> SemanticQuality:
    """The pixels that classes and the clusters of predicted segments share.

    Args:
        classes: of the data set.
        found: the predictions.
        photos: to look at.
        workers: number of processes.
        progress: shows a bar.

    Raises:
        ValueError: a cluster that is no whole number, or a map that cannot be read.
    """
    check_clusters(found.source, {segment.label for own in photos if own.found for segment in own.found.segments})
    quality = SemanticQuality(len(classes), MOST)
    title = "mapping" if progress else None
    for part in work_on(partial(_pixels, classes), photos, len(photos), workers=workers, title=title):
        quality.merge(part)
    return quality


def _pixels(classes: ClassList, photos: Sequence[PhotoSegments]) -> SemanticQuality:
    """The pixels that classes and clusters share."""
    quality = SemanticQuality(len(classes), MOST)
    for photo, found in photos:
        truth = photo.segments()
        true = _painted(truth.ids, {segment.id: segment.category for segment in truth.segments}, IGNORE)
        if found is None:
            continue
        ids = read_ids(found.file)
        clusters = _painted(ids, {segment.id: segment.label for segment in found.segments}, -1)
        try:
            quality.update(true, clusters)
        except ValueError as error:
            raise ValueError(f"{found.where}: {error}") from error
    return quality


def _painted(ids: np.ndarray, value_of: dict[int, int], other: int) -> Integer[np.ndarray, "height width"]:
    """The values of the segments at their pixels."""
    known = np.array([number for number in value_of if number != 0], dtype=np.int64)
    index, _ = number_ids(ids.reshape(-1), np.array([0, *known.tolist()], dtype=np.int64))
    values = np.array([other, *(value_of[number] for number in known.tolist())], dtype=np.int32)
    return values[index].reshape(ids.shape)
