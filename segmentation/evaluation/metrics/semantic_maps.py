"""Scores predicted label maps on a data set."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphpool.checks import check_choice
from segmentation.evaluation.metrics.mapping import MAX_CLUSTERS, FitPlan, FittedMapping, fit_mapping
from segmentation.evaluation.metrics.parallel import choose_workers, work_on
from segmentation.evaluation.metrics.predicted_maps import centre_square, find_label_maps, read_label_map
from segmentation.evaluation.metrics.semantic_quality import SemanticQuality, SemanticScores
from segmentation.evaluation.truth.truth_maps import ClassList, ClassMap, MappedPhoto, SemanticTruth
from segmentation.prediction.clusters import ClusterMapping

LABELS = ("classes", "dataset", "clusters")
UNMATCHED = ("error", "ignore")


class PhotoMap(NamedTuple):
    """A photo, and the file of its predicted map, if there is one."""

    photo: MappedPhoto[ClassMap]
    file: Path | None


@dataclass(frozen=True)
class SemanticEvaluation:
    """How well label maps fit a data set.

    Attributes:
        scores: pixel accuracy, mean IoU and the IoU of each class, in percent.
        classes: classes of the data set.
        protocol: how the scores were computed, and on how many photos.
        notes: photos and maps that were not matched.
        mapping: mapping of clusters to classes, if there was one.
        quality: counts behind the scores.
    """

    scores: SemanticScores
    classes: ClassList
    protocol: dict[str, Any]
    notes: tuple[str, ...]
    mapping: ClusterMapping | None
    quality: SemanticQuality = field(repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Returns all but the notes, for a JSON file."""
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
    """Scores label maps by pixel accuracy and mean IoU, from one confusion matrix of all pixels.

    Args:
        truth: the data set.
        predictions: folder of PNG files (or an output folder of ``segmentation.predict``), named as the photos are, of
            the size of the truth: a label for each pixel, of 8 bits (255 for none) or of 16 (65535 for none). Photos
            without one count as wrong.
        labels: whether labels are places of ``classes``, labels of the ``dataset``'s own files, or ``clusters``.
        mapping: classes that clusters stand for, or how to find them; needed for clusters, and for them only.
        unmatched: whether pixels of clusters that stand for no class count as an ``error``, or not at all (``ignore``).
        crop: shorter side to which maps are resized, of which the centre square is compared, as the literature on
            COCOStuff-27 does at 320; predictions of that size are taken as they are.
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
    files = find_label_maps(Path(predictions), [photo.name for photo in truth.photos], truth.key)
    photos = [PhotoMap(photo, files.file_of.get(photo.name)) for photo in truth.photos]
    fitted: list[int] = []
    scored = list(range(len(photos)))
    if isinstance(mapping, FitPlan):
        fitted, scored = mapping.split(scored)
    elif isinstance(mapping, FittedMapping):
        scored = mapping.plan.split(scored)[1]
        mapping = mapping.mapping
    num_predicted = MAX_CLUSTERS if labels == "clusters" else len(truth.classes)
    portions = work_on(
        partial(count_pixels, truth.classes, labels, num_predicted, crop),
        photos,
        len(photos),
        workers=choose_workers(len(photos), workers),
        title="semantic" if progress else None,
    )
    quality = SemanticQuality(len(truth.classes), num_predicted)
    for portion in portions:
        quality.merge(portion)
    if isinstance(mapping, FitPlan):
        counts = quality.subset(fitted)
        mapping = fit_pixel_mapping(counts, truth.classes, mapping.rule, mapping.describe(len(fitted)))
    quality = quality.subset(scored)
    facts: dict[str, Any] = {}
    if mapping is not None:
        classes = mapping.for_classes(truth.classes.names)
        class_of = [classes.class_of(cluster) for cluster in range(quality.num_predicted)]
        without = sum(class_of[cluster] is None for cluster in quality.clusters())
        mapping_facts = {**classes.facts(), "unmatched": unmatched, "predicted_clusters_without_class": without}
        facts["mapping"] = mapping_facts
        quality = quality.mapped(class_of, leave_out=unmatched == "ignore")
    protocol = {
        "task": "semantic",
        "classes": len(truth.classes),
        "photos": len(scored),
        "photos_without_predictions": sum(photos[place].file is None for place in scored),
        "labels": labels,
        "size": "full" if crop is None else f"centre square, {crop} px",
        **facts,
    }
    return SemanticEvaluation(quality.compute(), truth.classes, protocol, files.notes, mapping, quality)


def fit_pixel_mapping(
    quality: SemanticQuality, classes: ClassList, rule: str, fitted_on: str, allowed: np.ndarray | None = None
) -> ClusterMapping:
    """Maps clusters to the classes that share most pixels with them.

    See :func:`~segmentation.evaluation.metrics.mapping.fit_mapping`; ``allowed`` is ``[classes, MAX_CLUSTERS]``.
    """
    clusters = quality.clusters()
    return fit_mapping(
        quality.confusion()[:, [*clusters, quality.num_predicted]],
        rule,
        names=classes.names,
        is_thing=classes.is_thing,
        allowed=None if allowed is None else allowed[:, clusters],
        fitted_on=fitted_on,
        clusters=clusters,
    )


def count_pixels(
    classes: ClassList, labels: str, num_predicted: int, crop: int | None, photos: Sequence[PhotoMap]
) -> SemanticQuality:
    """Counts the pixels of photos; see :func:`evaluate_semantic`."""
    quality = SemanticQuality(len(classes), num_predicted)
    for photo, file in photos:
        truth = photo.read()
        predicted = np.full(truth.shape, -1, np.int32) if file is None else read_label_map(file)
        if labels == "dataset" and file is not None:
            place_of = np.full(2**16 + 1, -1, np.int32)  # its last entry is that of the label -1, none
            place_of[list(classes.place_of)] = list(classes.place_of.values())
            predicted = place_of[predicted]
        if crop is not None:
            truth = centre_square(truth, crop)
            predicted = predicted if predicted.shape == (crop, crop) else centre_square(predicted, crop)
        if truth.shape != predicted.shape:
            size = list(predicted.shape)
            raise ValueError(f"{file} must have the size {list(truth.shape)} (height, width) of the truth, got {size}")
        try:
            quality.update(truth, predicted)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from error
    return quality
