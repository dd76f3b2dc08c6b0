"""The three tasks with classes: how each reads its ground truth, is scored, and prints its scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from segmentation.evaluation.metrics.instance import evaluate_instances
from segmentation.evaluation.metrics.mapping import FitPlan, FittedMapping
from segmentation.evaluation.metrics.panoptic_maps import evaluate_panoptic
from segmentation.evaluation.metrics.semantic_maps import evaluate_semantic
from segmentation.evaluation.request import Request
from segmentation.evaluation.tables import print_instance_scores, print_panoptic_scores, print_semantic_scores
from segmentation.evaluation.truth.coco import read_panoptic_truth
from segmentation.evaluation.truth.data_files import MissingDataError
from segmentation.evaluation.truth.ground_truth import GroundTruth, read_ground_truth
from segmentation.evaluation.truth.truth_maps import PanopticTruth, SemanticTruth
from segmentation.prediction.clusters import ClusterMapping

Mapped = ClusterMapping | FittedMapping | FitPlan | None
Truth = GroundTruth | SemanticTruth | PanopticTruth


@runtime_checkable
class Evaluation(Protocol):
    """What the scores of every task have."""

    @property
    def protocol(self) -> dict[str, Any]:
        """How the scores were computed."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was not matched."""

    @property
    def mapping(self) -> ClusterMapping | None:
        """Mapping of clusters to classes."""

    @property
    def quality(self) -> Any:
        """Counts behind the scores."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the scores for a JSON file."""


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        name: name of its command, and of its ground truth in the catalogue of data sets.
        evaluate: function that scores predictions.
        print: function that prints the scores as a table on the terminal.
        read_file: function that reads ground truth which is given as a file instead of a data set, if it may be.
    """

    name: str
    evaluate: Callable[[Request, Any, Path, Mapped], Evaluation]
    print: Callable[[Any], None]
    read_file: Callable[[Request, Path], Truth] | None = None

    def read(self, request: Request, split: str) -> Any:
        """Reads the ground truth: the file that was given, or a split of the data set."""
        if request.ground_truth is not None and self.read_file is not None:
            return self.read_file(request, request.ground_truth)
        if request.data is None or request.root is None:
            raise ValueError("the ground truth is needed: --data and --root, or --ground-truth")
        return request.data.read(self.name, request.root, split)

    def names(self, truth: Truth) -> Sequence[str]:
        """Lists the file names of the photos of a ground truth."""
        photos = truth.photos.values() if isinstance(truth, GroundTruth) else truth.photos
        return [photo.name for photo in photos]


def _evaluate_instances(request: Request, truth: GroundTruth, predictions: Path, mapping: Mapped) -> Evaluation:
    return evaluate_instances(
        truth,
        predictions / "instances.json" if predictions.is_dir() else predictions,
        class_agnostic=request.options.get("class_agnostic", False),
        kind=request.options.get("kind", "instance"),
        max_dets=request.options.get("max_dets", ()),
        engine=request.options.get("engine", "auto"),
        mapping=mapping,
        workers=request.workers,
        progress=request.progress,
    )


def _evaluate_semantic(request: Request, truth: SemanticTruth, predictions: Path, mapping: Mapped) -> Evaluation:
    return evaluate_semantic(
        truth,
        predictions,
        labels="clusters" if mapping is not None else request.options.get("labels", "classes"),
        mapping=mapping,
        unmatched=request.options.get("unmatched", "error"),
        crop=request.options.get("crop"),
        workers=request.workers,
        progress=request.progress,
    )


def _evaluate_panoptic(request: Request, truth: PanopticTruth, predictions: Path, mapping: Mapped) -> Evaluation:
    return evaluate_panoptic(
        truth,
        predictions,
        request.options.get("maps"),
        mapping=mapping,
        unmatched=request.options.get("unmatched", "error"),
        workers=request.workers,
        progress=request.progress,
    )


def _read_panoptic_file(request: Request, file: Path) -> PanopticTruth:
    maps = request.options.get("ground_truth_maps") or file.with_suffix("")
    try:
        return read_panoptic_truth(file, maps, file.parent)
    except MissingDataError as error:
        layout = f"  {file.name}\n  {maps.name}/*.png"
        raise MissingDataError(error.root, error.missing, layout) from None


_TASKS = (
    Task("instance", _evaluate_instances, print_instance_scores, lambda _, file: read_ground_truth(file)),
    Task("semantic", _evaluate_semantic, print_semantic_scores),
    Task("panoptic", _evaluate_panoptic, print_panoptic_scores, _read_panoptic_file),
)
TASKS: dict[str, Task] = {task.name: task for task in _TASKS}
"""The tasks by their names."""
