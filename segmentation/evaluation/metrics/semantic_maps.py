"""Predicted label maps scored on a data set."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphpool.checks import check_choice
from segmentation.evaluation.metrics.fit_plan import FitPlan, FittedMapping
from segmentation.evaluation.metrics.mapping import MOST, fit_mapping
from segmentation.evaluation.metrics.parallel import choose_workers, work_on
from segmentation.evaluation.metrics.predicted_maps import centre_square, find_maps, read_map
from segmentation.evaluation.metrics.semantic_quality import SemanticQuality, SemanticScores
from segmentation.evaluation.truth.truth_maps import ClassList, SemanticPhoto, SemanticTruth
from segmentation.prediction.clusters import ClusterMapping

LABELS = ("classes", "dataset", "clusters")
UNMATCHED = ("error", "ignore")


class PhotoMaps(NamedTuple):
    """A photo, and its predicted map, if there is one."""

    photo: SemanticPhoto
    file: Path | None


@dataclass(frozen=True)
class SemanticEvaluation:
    """How well label maps fit a data set.

    Attributes:
        scores: pixel accuracy, mean IoU and the IoU of each class, in percent.
        classes: of the data set.
        protocol: how they were computed, and on how many photos.
        notes: photos and maps that were not matched.
        mapping: of clusters to classes, if there was one.
        quality: what the scores were computed from.
    """

    scores: SemanticScores
    classes: ClassList
    protocol: dict[str, Any]
    notes: tuple[str, ...]
    mapping: ClusterMapping | None
    quality: SemanticQuality = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """All but the notes, for a JSON file."""
        return {
            "pixel_accuracy": self.scores.pixel_accuracy,
            "mean_iou": self.scores.mean_iou,
            "per_class": dict(zip(self.classes.names, self.scores.iou, strict=True)),
            "protocol": self.protocol,
        }


def evaluate_semantic(
    truth: SemanticTruth,
    predictions: str | Path,
    *,
    labels: str = "classes",
    mapping: ClusterMapping | FittedMapping | FitPlan | None = None,
    unmatched: str = "error",
    crop: int | None = None,
    workers: int | None = 1,
    progress: bool = False,
) -> SemanticEvaluation:
    """Scores label maps by pixel accuracy and mean IoU, from one table of all pixels.

    Args:
        truth: the data set.
        predictions: folder of PNG files (or an output folder of ``segmentation.predict``), named as the photos are, of
            the size of the truth: a label for each pixel, of 8 bits (255 for none) or of 16 (65535 for none). Photos
            without one count as wrong.
        labels: of the predictions are places of ``classes``, labels of the ``dataset``'s own files, or ``clusters``.
        mapping: says what clusters stand for, or how to find out; needed for clusters, and for them only.
        unmatched: pixels of clusters that stand for no class count as an ``error``, or not at all (``ignore``).
        crop: compares in the centre square after resizing to this shorter side, as the literature on COCOStuff-27 does
            at 320; predictions of that size are taken as they are.
        workers: number of processes; ``None`` for as many as are worth it.
        progress: shows a bar on standard error.

    Raises:
        ValueError: no maps, a map that cannot be read, of another size than the truth, or with labels that there are
            not. The message names the file.
    """
    check_choice("labels", labels, LABELS)
    check_choice("unmatched", unmatched, UNMATCHED)
    if (labels == "clusters") != (mapping is not None):
        raise ValueError(
            f"'mapping' must be given for clusters, and for them only, got {mapping} for labels {labels!r}"
        )
    maps = find_maps(Path(predictions), [photo.name for photo in truth.photos], truth.key)
    photos = [PhotoMaps(photo, maps.file_of.get(photo.name)) for photo in truth.photos]
    places = range(len(photos))
    fitted: list[int] = []
    scored = list(places)
    if isinstance(mapping, FitPlan):
        fitted, scored = mapping.split(places)
    elif isinstance(mapping, FittedMapping):
        scored = mapping.plan.split(places)[1]
        mapping = mapping.mapping
    predicted = MOST if labels == "clusters" else len(truth.classes)
    portions = work_on(
        partial(count_pixels, truth.classes, labels, predicted, crop),
        photos,
        len(photos),
        workers=choose_workers(len(photos), workers),
        title="semantic" if progress else None,
    )
    quality = SemanticQuality(len(truth.classes), predicted)
    for part in portions:
        quality.merge(part)
    if isinstance(mapping, FitPlan):
        mapping = fit_pixel_mapping(quality.part(fitted), truth.classes, mapping.rule, mapping.describe(len(fitted)))
    quality = quality.part(scored)
    facts: dict[str, Any] = {}
    if mapping is not None:
        quality, facts = map_pixels(quality, truth.classes, mapping, unmatched)
    missing = sum(photos[place].file is None for place in scored)
    protocol = {
        "task": "semantic",
        "classes": len(truth.classes),
        "photos": len(scored),
        "photos_without_predictions": missing,
        "labels": labels,
        "size": "full" if crop is None else f"centre square, {crop} px",
        **facts,
    }
    return SemanticEvaluation(quality.compute(), truth.classes, protocol, maps.notes, mapping, quality)


def fit_pixel_mapping(
    quality: SemanticQuality, classes: ClassList, rule: str, fitted_on: str, allowed: np.ndarray | None = None
) -> ClusterMapping:
    """The classes that share most pixels with the clusters.

    Args:
        quality: pixels of clusters.
        classes: of the data set.
        rule: see :func:`~segmentation.evaluation.metrics.mapping.fit_mapping`.
        fitted_on: for the record.
        allowed: which clusters may stand for which classes, ``[classes, MOST]``.
    """
    clusters = quality.clusters()
    return fit_mapping(
        quality.table()[:, [*clusters, quality.num_predicted]],
        rule,
        names=classes.names,
        is_thing=classes.is_thing,
        allowed=None if allowed is None else allowed[:, clusters],
        fitted_on=fitted_on,
        clusters=clusters,
    )


def map_pixels(
    quality: SemanticQuality, classes: ClassList, mapping: ClusterMapping, unmatched: str
) -> tuple[SemanticQuality, dict[str, Any]]:
    """Pixels of classes from pixels of clusters, and what the protocol says about it."""
    own = mapping.for_classes(classes.names)
    class_of = [own.class_of(cluster) for cluster in range(quality.num_predicted)]
    without = [cluster for cluster in quality.clusters() if class_of[cluster] is None]
    facts = {**own.facts(), "unmatched": unmatched, "predicted_clusters_without_class": len(without)}
    return quality.mapped(class_of, leave_out=unmatched == "ignore"), {"mapping": facts}


def count_pixels(
    classes: ClassList, labels: str, predicted: int, crop: int | None, photos: Sequence[PhotoMaps]
) -> SemanticQuality:
    """The pixels of some photos."""
    quality = SemanticQuality(len(classes), predicted)
    for photo, file in photos:
        truth = photo.class_map()
        found = np.full(truth.shape, -1, np.int32) if file is None else read_map(file)
        if labels == "dataset" and file is not None:
            found = _as_classes(found, classes)
        if crop is not None:
            truth = centre_square(truth, crop)
            found = found if found.shape == (crop, crop) else centre_square(found, crop)
        if truth.shape != found.shape:
            raise ValueError(
                f"{file} must have the size {list(truth.shape)} (height, width) of the truth, got {list(found.shape)}"
            )
        try:
            quality.update(truth, found)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
    return quality


def _as_classes(labels: np.ndarray, classes: ClassList) -> np.ndarray:
    """Places of classes from labels of the data set's files; -1 of those that are no class."""
    table = np.full(2**16 + 1, -1, np.int32)
    for label, place in classes.place_of.items():
        table[label] = place
    return table[labels]
