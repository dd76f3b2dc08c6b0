"""Scores predicted panoptic maps on a data set."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Integer

from graphpool.checks import check_choice
from segmentation.evaluation.metrics.mapping import MAX_CLUSTERS, FitPlan, FittedMapping, check_clusters
from segmentation.evaluation.metrics.panoptic_quality import PanopticQuality, PanopticScores, Quality
from segmentation.evaluation.metrics.parallel import choose_workers, work_on
from segmentation.evaluation.metrics.predicted_maps import PredictedPanoptic, SegmentMapFile, read_predicted_panoptic
from segmentation.evaluation.metrics.segment_matching import (
    PredictedSegment,
    join_stuff,
    number_ids,
    void_below_classless,
)
from segmentation.evaluation.metrics.semantic_maps import UNMATCHED, fit_pixel_mapping
from segmentation.evaluation.metrics.semantic_quality import SemanticQuality
from segmentation.evaluation.truth.truth_maps import (
    IGNORE,
    ClassList,
    MappedPhoto,
    PanopticTruth,
    TrueSegments,
    read_ids,
)
from segmentation.prediction.clusters import ClusterMapping


class PhotoSegments(NamedTuple):
    """A photo, and its predicted segments, if there are any."""

    photo: MappedPhoto[TrueSegments]
    predicted: SegmentMapFile | None


@dataclass(frozen=True)
class PanopticEvaluation:
    """How well panoptic maps fit a data set.

    Attributes:
        scores: PQ, SQ and RQ of all classes, of things, of stuff, and of each class by its place, in percent.
        classes: classes of the data set.
        protocol: how the scores were computed, and on how many photos.
        notes: photos that were not matched.
        mapping: mapping of clusters to classes, if there was one.
        quality: counts behind the scores.
    """

    scores: PanopticScores
    classes: ClassList
    protocol: dict[str, Any]
    notes: tuple[str, ...]
    mapping: ClusterMapping | None
    quality: PanopticQuality = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Returns all but the notes, for a JSON file."""

        def named(quality: Quality | None) -> dict[str, float] | None:
            return None if quality is None else {"PQ": quality.pq, "SQ": quality.sq, "RQ": quality.rq}

        scores = self.scores
        means = {"all": scores.all, "things": scores.things, "stuff": scores.stuff}
        return {
            **{name: named(quality) for name, quality in means.items()},
            "per_class": {self.classes.names[place]: named(quality) for place, quality in scores.per_class.items()},
            "protocol": self.protocol,
        }


def evaluate_panoptic(
    truth: PanopticTruth,
    predictions: str | Path,
    maps: str | Path | None = None,
    *,
    mapping: ClusterMapping | FittedMapping | FitPlan | None = None,
    unmatched: str = "error",
    workers: int | None = 1,
    progress: bool = False,
) -> PanopticEvaluation:
    """Scores panoptic maps by PQ, SQ and RQ, as COCO's panoptic API does.

    Args:
        truth: the data set.
        predictions: JSON file in COCO's panoptic format, or an output folder of ``segmentation.predict``. Photos
            without an entry count as without segments.
        maps: folder of the maps; else the folder of the file's name beside it.
        mapping: classes that clusters stand for, or how to find them: from the pixels that classes and clusters share,
            things and stuff apart where the categories say what a cluster is. The ``category_id`` of a segment is a
            cluster then (that of its category, where the file's ``categories`` have a ``cluster``), all stuff of one
            class is one segment, and segments of clusters without a class are counted as such.
        unmatched: whether segments of clusters without a class cover what they cover (``error``: true segments below
            are missed), or their pixels do not count (``ignore``), as if they were void.
        workers: number of processes; ``None`` for as many as are worth it.
        progress: shows a bar on standard error.

    Raises:
        ValueError: predictions that are not in the format, a map that is missing, cannot be read, or has another size
            or other ids than its entry. The message names the file and the entry.
    """
    check_choice("unmatched", unmatched, UNMATCHED)
    names = {photo.image_id: photo.name for photo in truth.photos}
    folder = None if maps is None else Path(maps)
    predicted = read_predicted_panoptic(Path(predictions), folder, names, clusters=mapping is not None)
    photos = [PhotoSegments(photo, predicted.maps.get(photo.image_id)) for photo in truth.photos]
    workers = choose_workers(len(photos), workers)
    if isinstance(mapping, FitPlan):
        fitted, photos = mapping.split(photos)
        mapping = _fit_mapping(truth.classes, predicted, fitted, mapping, workers, progress)
    elif isinstance(mapping, FittedMapping):
        photos = mapping.plan.split(photos)[1]
        mapping = mapping.mapping
    class_of, facts = _classes_of_labels(truth.classes, predicted, photos, mapping)
    if mapping is not None:
        facts["mapping"]["unmatched"] = unmatched
    joins_stuff = mapping is not None or len(set(truth.classes.place_of.values())) < len(truth.classes.place_of)
    portions = work_on(
        partial(_count_segments, truth.classes, class_of, joins_stuff, unmatched == "ignore"),
        photos,
        len(photos),
        workers=workers,
        title="panoptic" if progress else None,
    )
    quality = PanopticQuality(list(enumerate(truth.classes.is_thing)))
    for portion in portions:
        quality.merge(portion)
    scores = quality.compute()
    protocol = {
        "task": "panoptic",
        "classes": len(truth.classes),
        "photos": len(photos),
        "photos_without_predictions": sum(photo.predicted is None for photo in photos),
        "segments_without_class": scores.classless,
        **facts,
    }
    return PanopticEvaluation(scores, truth.classes, protocol, predicted.notes, mapping, quality)


def _classes_of_labels(
    classes: ClassList, predicted: PredictedPanoptic, photos: Sequence[PhotoSegments], mapping: ClusterMapping | None
) -> tuple[dict[Any, int | None], dict[str, Any]]:
    """Returns the class of each label of the photos, and what the protocol says about the mapping."""
    labels = _labels(photos)
    if mapping is not None:
        check_clusters(predicted.source, labels)
        own_mapping = mapping.for_classes(classes.names)
        class_of: dict[Any, int | None] = {label: own_mapping.class_of(label) for label in labels}
        without = sum(place is None for place in class_of.values())
        return class_of, {"mapping": {**own_mapping.facts(), "predicted_clusters_without_class": without}}
    for label, where in labels.items():
        if label not in classes.place_of:
            raise ValueError(
                f"{where} has category_id {label!r}, which the ground truth does not have; map clusters to classes "
                "first (--mapping)"
            )
    return {label: classes.place_of[label] for label in labels}, {}


def _labels(photos: Sequence[PhotoSegments]) -> dict[Any, str]:
    """Returns the labels of predicted segments, each with the first entry that has it."""
    labels: dict[Any, str] = {}
    for _, predicted in photos:
        if predicted is not None:
            for segment in predicted.segments:
                labels.setdefault(segment.label, predicted.where)
    return labels


def _count_segments(
    classes: ClassList,
    class_of: dict[Any, int | None],
    joins_stuff: bool,
    ignores: bool,
    photos: Sequence[PhotoSegments],
) -> PanopticQuality:
    quality = PanopticQuality(list(enumerate(classes.is_thing)))
    for photo, predicted in photos:
        truth = photo.read()
        if predicted is None:
            quality.update(*truth, np.zeros_like(truth.ids), [])
            continue
        ids = read_ids(predicted.file)
        segments = [PredictedSegment(segment.id, class_of[segment.label]) for segment in predicted.segments]
        try:
            if ignores:
                truth = void_below_classless(truth, ids, segments)
            if joins_stuff:
                ids, segments = join_stuff(ids, segments, classes.is_thing)
            quality.update(*truth, ids, segments)
        except ValueError as error:
            raise ValueError(f"{predicted.where}: {error}") from error
    return quality


def _fit_mapping(
    classes: ClassList,
    predicted: PredictedPanoptic,
    photos: Sequence[PhotoSegments],
    plan: FitPlan,
    workers: int,
    progress: bool,
) -> ClusterMapping:
    """Maps clusters to the classes that share most pixels with them, things and stuff apart."""
    quality = count_cluster_pixels(classes, predicted, photos, workers=workers, progress=progress)
    allowed = np.ones((len(classes), MAX_CLUSTERS), dtype=bool)
    for cluster in _labels(photos):
        kinds = predicted.kinds.get(cluster, set())
        if len(kinds) == 1:
            allowed[:, cluster] = np.array(classes.is_thing) == next(iter(kinds))
    return fit_pixel_mapping(quality, classes, plan.rule, plan.describe(len(photos)), allowed)


def count_cluster_pixels(
    classes: ClassList,
    predicted: PredictedPanoptic,
    photos: Sequence[PhotoSegments],
    *,
    workers: int = 1,
    progress: bool = False,
) -> SemanticQuality:
    """Counts the pixels that classes and the clusters of predicted segments share.

    Raises:
        ValueError: a cluster that is no whole number, or a map that cannot be read.
    """
    check_clusters(predicted.source, _labels(photos))
    quality = SemanticQuality(len(classes), MAX_CLUSTERS)
    title = "mapping" if progress else None
    for portion in work_on(partial(_count_pixels, len(classes)), photos, len(photos), workers=workers, title=title):
        quality.merge(portion)
    return quality


def _count_pixels(num_classes: int, photos: Sequence[PhotoSegments]) -> SemanticQuality:
    quality = SemanticQuality(num_classes, MAX_CLUSTERS)
    for photo, predicted in photos:
        if predicted is None:
            continue
        truth, ids = photo.read(), read_ids(predicted.file)
        class_map = _paint(truth.ids, {segment.id: segment.category for segment in truth.segments}, IGNORE)
        clusters = _paint(ids, {segment.id: segment.label for segment in predicted.segments}, -1)
        try:
            quality.update(class_map, clusters)
        except ValueError as error:
            raise ValueError(f"{predicted.where}: {error}") from error
    return quality


def _paint(ids: np.ndarray, value_of: dict[int, int], background: int) -> Integer[np.ndarray, "height width"]:
    """Replaces the ids of segments by their values, and all other ids by the background's."""
    value_of = {0: background} | {number: value for number, value in value_of.items() if number != 0}
    index, _ = number_ids(ids.reshape(-1), np.array(list(value_of), dtype=np.int64))
    return np.array(list(value_of.values()), dtype=np.int32)[index].reshape(ids.shape)
