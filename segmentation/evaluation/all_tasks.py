"""Scores every task that a data set has ground truth for, with one mapping of clusters."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from segmentation.base.wording import counted
from segmentation.evaluation.flow import (
    Report,
    located_predictions,
    note_incomplete_split,
    print_and_write,
    scores_with_data_set,
)
from segmentation.evaluation.metrics.detection_limits import check_max_dets
from segmentation.evaluation.metrics.mapping import MAX_CLUSTERS, FitPlan, FittedMapping
from segmentation.evaluation.metrics.panoptic_maps import PhotoSegments, count_cluster_pixels
from segmentation.evaluation.metrics.parallel import choose_workers
from segmentation.evaluation.metrics.predicted_maps import find_label_maps, read_predicted_panoptic
from segmentation.evaluation.metrics.semantic_maps import PhotoMap, count_pixels, fit_pixel_mapping
from segmentation.evaluation.metrics.semantic_quality import SemanticQuality
from segmentation.evaluation.request import Request
from segmentation.evaluation.tables import mapping_line, new_table, percent, show
from segmentation.evaluation.tasks import TASKS, Evaluation, Mapped
from segmentation.evaluation.truth.truth_maps import PanopticTruth, SemanticTruth

AGNOSTIC = "instance, class-agnostic"


def run_all(request: Request, report: Report) -> None:
    """Scores every task of a data set, on the predictions of one model or in one folder, with one mapping.

    The mapping is fitted to the pixels that classes share with the clusters of the semantic map and of the panoptic
    map, taken together.

    Raises:
        ValueError, OSError: see the readers and metrics.
    """
    if request.data is None:
        raise ValueError("'all' needs --data")
    tasks = [task for name, task in TASKS.items() if name in request.data.tasks]
    if not tasks:
        raise ValueError(f"--data {request.data.name} has no ground truth with classes")
    truths = {task.name: task.read(request, request.split) for task in tasks}
    names = {task.name: task.names(truths[task.name]) for task in tasks}
    with located_predictions(request, request.split, names) as predictions:
        if not predictions.is_dir():
            raise ValueError(f"'all' needs an output folder of segmentation.predict, got the file {predictions}")
        mapping = _fit_mapping(request, truths, predictions)
        found: dict[str, Evaluation] = {}
        if "instance" in truths:
            agnostic = replace(request, options={**request.options, "class_agnostic": True})
            fitted = mapping if isinstance(mapping, FittedMapping) else None  # its photos are not scored
            found[AGNOSTIC] = TASKS["instance"].evaluate(agnostic, truths["instance"], predictions, fitted)
        found.update({task.name: task.evaluate(request, truths[task.name], predictions, mapping) for task in tasks})
    _print_summary(found)
    note_incomplete_split(request, max(map(len, names.values())))
    contents = {name: scores_with_data_set(scores, request) for name, scores in found.items()}
    print_and_write(found, contents, report)


def _fit_mapping(request: Request, truths: dict[str, Any], predictions: Path) -> Mapped:
    """Reads the mapping of all tasks, or fits it to their pixels."""
    plan = request.mapping_or_plan()
    if request.other_split is not None:
        raise ValueError("'all' fits its mapping on the same split, or takes a file (--mapping FILE)")
    if not isinstance(plan, FitPlan) or not {"semantic", "panoptic"} & truths.keys():
        return plan
    workers = choose_workers(max(len(truth.photos) for truth in truths.values()), request.workers)
    parts: list[SemanticQuality] = []
    fitted = 0
    if "semantic" in truths:
        semantic: SemanticTruth = truths["semantic"]
        maps = find_label_maps(predictions, [photo.name for photo in semantic.photos], semantic.key)
        photo_maps = [PhotoMap(photo, maps.file_of.get(photo.name)) for photo in plan.split(semantic.photos)[0]]
        parts.append(count_pixels(semantic.classes, "clusters", MAX_CLUSTERS, None, photo_maps))
        classes, fitted = semantic.classes, len(photo_maps)
    if "panoptic" in truths:
        panoptic: PanopticTruth = truths["panoptic"]
        names = {photo.image_id: photo.name for photo in panoptic.photos}
        segments = read_predicted_panoptic(predictions, None, names, clusters=True)
        chosen = [PhotoSegments(photo, segments.maps.get(photo.image_id)) for photo in plan.split(panoptic.photos)[0]]
        parts.append(count_cluster_pixels(panoptic.classes, segments, chosen, workers=workers))
        classes, fitted = panoptic.classes, len(chosen)
    for part in parts[1:]:
        parts[0].merge(part)
    return FittedMapping(fit_pixel_mapping(parts[0], classes, plan.rule, plan.describe(fitted)), plan)


def _print_summary(found: dict[str, Evaluation]) -> None:
    """Prints the main scores of all tasks as a table."""
    table = new_table("All tasks, %", "task", "score", ">value")
    for name, scores in found.items():
        numbers = main_scores(scores.to_dict())
        for place, (score, value) in enumerate(numbers.items()):
            last = place == len(numbers) - 1
            table.add_row("" if place else name, score, percent(value), end_section=last)
    scores = list(found.values())[-1]
    photos = f"{counted(scores.protocol['photos'], 'photo')} are scored"
    show(table, photos, mapping_line(scores.protocol))


def main_scores(contents: dict[str, Any]) -> dict[str, float | None]:
    """Returns the few scores that a task is known by.

    Example:
        >>> main_scores({"pixel_accuracy": 63.9, "mean_iou": 30.2, "protocol": {"task": "semantic"}})
        {'pixel accuracy': 63.9, 'mIoU': 30.2}
    """
    task = contents["protocol"]["task"]
    if task == "semantic":
        return {"pixel accuracy": contents["pixel_accuracy"], "mIoU": contents["mean_iou"]}
    if task == "panoptic":
        quality = contents["all"] or {}
        return {name: quality.get(name) for name in ("PQ", "SQ", "RQ")}
    names = ["AP", "AP50", "AR100", *(f"AR{limit}" for limit in check_max_dets(contents["protocol"]["max_dets"]))]
    return {f"{kind} {name}": contents[kind][name] for kind in ("mask", "box") for name in names}
