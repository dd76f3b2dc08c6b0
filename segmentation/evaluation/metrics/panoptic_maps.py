"""Predicted panoptic maps scored on a data set."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Integer

from graphpool.checks import check_choice
from segmentation.evaluation.metrics.fit_plan import FitPlan, FittedMapping
from segmentation.evaluation.metrics.mapping import check_clusters
from segmentation.evaluation.metrics.panoptic_fit import PhotoSegments, fit_panoptic_mapping
from segmentation.evaluation.metrics.panoptic_quality import PanopticQuality, PanopticScores, Quality
from segmentation.evaluation.metrics.parallel import choose_workers, work_on
from segmentation.evaluation.metrics.predicted_segments import PredictedSegments, read_segments
from segmentation.evaluation.metrics.segment_matching import PredictedSegment, number_ids
from segmentation.evaluation.metrics.semantic_maps import UNMATCHED
from segmentation.evaluation.truth.truth_maps import ClassList, PanopticTruth, TrueSegments, read_ids
from segmentation.prediction.clusters import ClusterMapping


@dataclass(frozen=True)
class PanopticEvaluation:
    """How well panoptic maps fit a data set.

    Attributes:
        scores: PQ, SQ and RQ of all classes, of things, of stuff, and of each class by its place, in percent.
        classes: of the data set.
        protocol: how they were computed, and on how many photos.
        notes: photos that were not matched.
        mapping: of clusters to classes, if there was one.
        quality: what the scores were computed from.
    """

    scores: PanopticScores
    classes: ClassList
    protocol: dict[str, Any]
    notes: tuple[str, ...]
    mapping: ClusterMapping | None
    quality: PanopticQuality = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """All but the notes, for a JSON file."""
        means = {"all": self.scores.all, "things": self.scores.things, "stuff": self.scores.stuff}
        own = {self.classes.names[place]: quality for place, quality in self.scores.per_class.items()}
        return {
            **{name: _as_dict(quality) for name, quality in means.items()},
            "per_class": {name: _as_dict(quality) for name, quality in own.items()},
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
        predictions: a JSON file in COCO's panoptic format, or an output folder of ``segmentation.predict``. Photos
            without an entry count as without segments.
        maps: folder of the maps; else the folder of the file's name beside it.
        mapping: the ``category_id`` of a segment is a cluster (that of its category, where the file's ``categories``
            have a ``cluster``), and this says what it stands for, or how to find out: from the pixels that classes and
            clusters share, things and stuff apart where the categories say what a cluster is. Then all stuff of one
            class is one segment, and segments of clusters without a class are told as such.
        unmatched: segments of clusters without a class cover what they cover (``error``): true segments below are
            missed. Or their pixels do not count (``ignore``), as if they were void.
        workers: number of processes; ``None`` for as many as are worth it.
        progress: shows a bar on standard error.

    Raises:
        ValueError: predictions that are not in the format, a map that is missing, cannot be read, or has another size
            or other ids than its entry. The message names the file and the entry.
    """
    check_choice("unmatched", unmatched, UNMATCHED)
    names = {photo.image_id: photo.name for photo in truth.photos}
    found = read_segments(Path(predictions), None if maps is None else Path(maps), names, clusters=mapping is not None)
    photos = [PhotoSegments(photo, found.maps.get(photo.image_id)) for photo in truth.photos]
    workers = choose_workers(len(photos), workers)
    if isinstance(mapping, FitPlan):
        fitted, photos = mapping.split(photos)
        mapping = fit_panoptic_mapping(truth.classes, found, fitted, mapping, workers=workers, progress=progress)
    elif isinstance(mapping, FittedMapping):
        photos = mapping.plan.split(photos)[1]
        mapping = mapping.mapping
    class_of, facts = _labels(truth.classes, found, photos, mapping)
    if mapping is not None:
        facts["mapping"]["unmatched"] = unmatched
    joined = mapping is not None or len(set(truth.classes.place_of.values())) < len(truth.classes.place_of)
    portions = work_on(
        partial(_count, truth.classes, class_of, joined, unmatched == "ignore"),
        photos,
        len(photos),
        workers=workers,
        title="panoptic" if progress else None,
    )
    quality = _quality(truth.classes)
    for part in portions:
        quality.merge(part)
    scores = quality.compute()
    protocol = {
        "task": "panoptic",
        "classes": len(truth.classes),
        "photos": len(photos),
        "photos_without_predictions": sum(own.found is None for own in photos),
        "segments_without_class": scores.classless,
        **facts,
    }
    return PanopticEvaluation(scores, truth.classes, protocol, found.notes, mapping, quality)


def _labels(
    classes: ClassList, found: PredictedSegments, photos: Sequence[PhotoSegments], mapping: ClusterMapping | None
) -> tuple[dict[Any, int | None], dict[str, Any]]:
    """Class of each label, and what the protocol says about it."""
    labels: dict[Any, str] = {}
    for own in photos:
        if own.found is not None:
            for segment in own.found.segments:
                labels.setdefault(segment.label, own.found.where)
    if mapping is not None:
        check_clusters(found.source, labels)
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


def _quality(classes: ClassList) -> PanopticQuality:
    return PanopticQuality(list(enumerate(classes.is_thing)))


def _count(
    classes: ClassList, class_of: dict[Any, int | None], joined: bool, ignore: bool, photos: Sequence[PhotoSegments]
) -> PanopticQuality:
    quality = _quality(classes)
    for photo, found in photos:
        truth = photo.segments()
        if found is None:
            quality.update(*truth, np.zeros_like(truth.ids), [])
            continue
        ids = read_ids(found.file)
        segments = [PredictedSegment(segment.id, class_of[segment.label]) for segment in found.segments]
        try:
            if ignore:
                truth = _without(truth, ids, segments)
            if joined:
                ids, segments = _join_stuff(ids, segments, classes)
            quality.update(*truth, ids, segments)
        except ValueError as error:
            raise ValueError(f"{found.where}: {error}") from error
    return quality


def _without(truth: TrueSegments, ids: np.ndarray, segments: Sequence[PredictedSegment]) -> TrueSegments:
    """The true segments without the pixels of predicted segments that have no class."""
    classless = [segment.id for segment in segments if segment.category is None]
    if not classless or ids.shape != truth.ids.shape:
        return truth
    kept = np.where(np.isin(ids, classless), 0, truth.ids)
    gone = set(np.unique(truth.ids).tolist()) - set(np.unique(kept).tolist())
    return TrueSegments(kept, [segment for segment in truth.segments if segment.id not in gone])


def _join_stuff(
    ids: Integer[np.ndarray, "height width"], segments: Sequence[PredictedSegment], classes: ClassList
) -> tuple[Integer[np.ndarray, "height width"], list[PredictedSegment]]:
    """All stuff of one class as one segment. Segments without pixels stay, to be told."""
    numbers = np.array([0, *(segment.id for segment in segments)], dtype=np.int64)
    if len(set(numbers.tolist())) < numbers.size:
        return ids, list(segments)  # refused later
    index, _ = number_ids(ids.reshape(-1), numbers)
    there = np.bincount(index, minlength=numbers.size) > 0
    first: dict[int, int] = {}
    kept = []
    for place, segment in enumerate(segments, start=1):
        category = segment.category
        if (
            category is None
            or classes.is_thing[category]
            or not there[place]
            or first.setdefault(category, segment.id) == segment.id
        ):
            kept.append(segment)
        else:
            ids = np.where(ids == segment.id, first[category], ids)
    return ids, kept


def _as_dict(quality: Quality | None) -> dict[str, float] | None:
    return None if quality is None else {"PQ": quality.pq, "SQ": quality.sq, "RQ": quality.rq}
