"""The three tasks with classes: how each reads its ground truth, is scored, and prints."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from segmentation.evaluation.metrics.fit_plan import FitPlan, FittedMapping
from segmentation.evaluation.metrics.instance import evaluate_instances
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


@runtime_checkable
class Evaluation(Protocol):
    """What every task's scores have."""

    @property
    def protocol(self) -> dict[str, Any]:
        """How they were computed."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not matched."""

    @property
    def mapping(self) -> ClusterMapping | None:
        """Of clusters to classes."""

    @property
    def quality(self) -> Any:
        """What they were computed from."""

    def to_dict(self) -> dict[str, Any]:
        """For a JSON file."""


class Task(ABC):
    """A task.

    Attributes:
        name: what the command is called.
    """

    name: str

    @abstractmethod
    def read(self, request: Request, split: str) -> Any:
        """The ground truth of a split."""

    @abstractmethod
    def names(self, truth: Any) -> Sequence[str]:
        """File names of its photos."""

    @abstractmethod
    def evaluate(self, request: Request, truth: Any, predictions: Path, mapping: Mapped) -> Evaluation:
        """The scores."""

    @abstractmethod
    def print(self, scores: Any) -> None:
        """A table on the terminal."""

    def _read_data_set(self, request: Request, split: str) -> Any:
        if request.data is None or request.root is None:
            raise ValueError("the ground truth is needed: --data and --root, or --ground-truth")
        return request.data.read(self.name, request.root, split)


class InstanceTask(Task):
    """Masks and boxes of objects."""

    name = "instance"

    def read(self, request: Request, split: str) -> GroundTruth:
        """The objects of a split."""
        if request.ground_truth is not None:
            return read_ground_truth(request.ground_truth)
        truth: GroundTruth = self._read_data_set(request, split)
        return truth

    def names(self, truth: GroundTruth) -> Sequence[str]:
        """File names of its photos."""
        return [photo.name for photo in truth.photos.values()]

    def evaluate(self, request: Request, truth: GroundTruth, predictions: Path, mapping: Mapped) -> Evaluation:
        """AP, AR and best overlap."""
        return evaluate_instances(
            truth,
            predictions / "instances.json" if predictions.is_dir() else predictions,
            class_agnostic=request.options.get("class_agnostic", False),
            kind=request.options.get("kind", "instance"),
            engine=request.options.get("engine", "own"),
            mapping=mapping,
            workers=request.workers,
            progress=request.progress,
        )

    def print(self, scores: Any) -> None:
        """The twelve numbers of masks and boxes."""
        print_instance_scores(scores)


class SemanticTask(Task):
    """A class for each pixel."""

    name = "semantic"

    def read(self, request: Request, split: str) -> SemanticTruth:
        """The classes of the pixels of a split."""
        truth: SemanticTruth = self._read_data_set(request, split)
        return truth

    def names(self, truth: SemanticTruth) -> Sequence[str]:
        """File names of its photos."""
        return [photo.name for photo in truth.photos]

    def evaluate(self, request: Request, truth: SemanticTruth, predictions: Path, mapping: Mapped) -> Evaluation:
        """Pixel accuracy and mean IoU."""
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

    def print(self, scores: Any) -> None:
        """Pixel accuracy, mean IoU, and the IoU of each class."""
        print_semantic_scores(scores)


class PanopticTask(Task):
    """Segments of things and stuff."""

    name = "panoptic"

    def read(self, request: Request, split: str) -> PanopticTruth:
        """The segments of a split."""
        if request.ground_truth is not None:
            file = request.ground_truth
            maps = request.options.get("ground_truth_maps") or file.with_suffix("")
            try:
                return read_panoptic_truth(file, maps, file.parent)
            except MissingDataError as error:
                layout = f"  {file.name}\n  {maps.name}/*.png"
                raise MissingDataError(error.root, error.missing, layout) from None
        truth: PanopticTruth = self._read_data_set(request, split)
        return truth

    def names(self, truth: PanopticTruth) -> Sequence[str]:
        """File names of its photos."""
        return [photo.name for photo in truth.photos]

    def evaluate(self, request: Request, truth: PanopticTruth, predictions: Path, mapping: Mapped) -> Evaluation:
        """PQ, SQ and RQ."""
        return evaluate_panoptic(
            truth,
            predictions,
            request.options.get("maps"),
            mapping=mapping,
            unmatched=request.options.get("unmatched", "error"),
            workers=request.workers,
            progress=request.progress,
        )

    def print(self, scores: Any) -> None:
        """The qualities of all, things, stuff, and each class."""
        print_panoptic_scores(scores)


TASKS: dict[str, Task] = {task.name: task for task in (InstanceTask(), SemanticTask(), PanopticTask())}
"""By name."""
