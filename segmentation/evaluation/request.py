"""What somebody asked ``segmentation.evaluate`` for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segmentation.evaluation.metrics.fit_plan import FIT_ON, FitPlan
from segmentation.evaluation.metrics.mapping import RULES
from segmentation.evaluation.truth.catalogue import LabelledSet
from segmentation.prediction.clusters import ClusterMapping, read_mapping

NO_MAPPING = "none"


@dataclass(frozen=True)
class Model:
    """A trained model that makes the predictions.

    Attributes:
        folder: of the model.
        photos: folder of the photos; else that of the data set.
        output: where to write the predictions; else they are gone afterwards.
        settings: of the prediction, see :class:`~segmentation.config.prediction.PredictionSettings`.
        device: where it runs.
    """

    folder: Path
    photos: Path | None = None
    output: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"


@dataclass(frozen=True)
class Request:
    """What to score, on what, and how.

    Attributes:
        data: the data set; ``None`` where the ground truth is given as files.
        root: its folder.
        split: of the data set.
        ground_truth: a file in COCO's format (or COCO's panoptic format), instead of a data set.
        maps: folder of the maps of ``ground_truth``, or of the predictions where there is a data set.
        predictions: file or folder.
        model: that makes them, instead.
        mapping: a rule, a file, or ``none``.
        fit_on: ``held-out``, ``scored``, or another split of the data set.
        fit_share: of the photos that are held out.
        fit_predictions: those of the other split.
        own: options of the task itself.
        workers: number of processes; ``None`` for as many as are worth it.
        progress: shows bars.
    """

    data: LabelledSet | None
    root: Path | None
    split: str
    ground_truth: Path | None
    predictions: Path | None
    model: Model | None
    mapping: str
    fit_on: str
    fit_share: float
    fit_predictions: Path | None
    own: Mapping[str, Any]
    workers: int | None
    progress: bool

    def wanted_mapping(self) -> ClusterMapping | FitPlan | None:
        """A mapping that is there, or how to fit one; ``None`` where predictions have the classes of the data set.

        Raises:
            ValueError: neither a rule nor a file, or a file that is no mapping.
        """
        if self.mapping == NO_MAPPING:
            return None
        if self.mapping in RULES:
            return FitPlan(self.mapping, self.fit_on if self.fit_on in FIT_ON else "scored", self.fit_share)
        if not Path(self.mapping).is_file():
            raise ValueError(
                f"--mapping must be one of {', '.join(RULES)}, {NO_MAPPING} or a file, got {self.mapping!r}"
            )
        return read_mapping(self.mapping)

    @property
    def other_split(self) -> str | None:
        """The split that the mapping is fitted on, where it is another one than the scored one."""
        return None if self.fit_on in FIT_ON or self.mapping not in RULES else self.fit_on
