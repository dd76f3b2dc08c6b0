"""What somebody asks ``segmentation.evaluate`` for."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segmentation.base.choices import FIT_ON, MAPPING_RULES, NO_MAPPING
from segmentation.evaluation.metrics.mapping import FitPlan
from segmentation.evaluation.truth.catalogue import LABELLED_SETS, LabelledSet
from segmentation.prediction.clusters import ClusterMapping, read_mapping


@dataclass(frozen=True)
class Model:
    """A trained model that is to make the predictions.

    Attributes:
        folder: folder of the model.
        photos: folder of the photos; ``None`` for that of the data set.
        output: folder to keep the predictions in; ``None`` to delete them afterwards.
        settings: changed settings, see :class:`~segmentation.config.prediction.PredictionSettings`.
        device: where the model runs.
    """

    folder: Path
    photos: Path | None = None
    output: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"


@dataclass(frozen=True)
class Request:
    """Which predictions to score, on which ground truth, and how.

    Attributes:
        data: data set; ``None`` where the ground truth is given as files.
        root: folder of the data set.
        split: split of the data set.
        ground_truth: file in COCO's format (or COCO's panoptic format), instead of a data set.
        predictions: file or folder of predictions.
        model: model that makes them, instead.
        mapping: a rule of ``MAPPING_RULES``, a file, or ``none``.
        fit_on: ``held-out``, ``scored``, or another split of the data set.
        fit_share: share of the photos that are held out.
        fit_predictions: predictions for the other split.
        options: options that only the task has, by name.
        workers: number of processes; ``None`` for as many as are worth it.
        progress: whether progress bars are shown.
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
    options: Mapping[str, Any]
    workers: int | None
    progress: bool

    def mapping_or_plan(self) -> ClusterMapping | FitPlan | None:
        """Reads the mapping, or returns how to fit one; ``None`` where predictions have the classes of the data set.

        Raises:
            ValueError: ``mapping`` is neither a rule nor a file, or a file of something else.
        """
        if self.mapping == NO_MAPPING:
            return None
        if self.mapping in MAPPING_RULES:
            return FitPlan(self.mapping, self.fit_on if self.fit_on in FIT_ON else "scored", self.fit_share)
        if not Path(self.mapping).is_file():
            raise ValueError(
                f"--mapping must be one of {', '.join(MAPPING_RULES)}, {NO_MAPPING} or a file, got {self.mapping!r}"
            )
        return read_mapping(self.mapping)

    @property
    def other_split(self) -> str | None:
        """The split that the mapping is fitted on, if it is not the scored one."""
        return None if self.fit_on in FIT_ON or self.mapping not in MAPPING_RULES else self.fit_on


def read_request(given: Mapping[str, Any], *task_options: str) -> Request:
    """Reads a request from the options of a command.

    Args:
        given: all options by name.
        task_options: names of those that only the task has.

    Raises:
        ValueError: options that do not go together.
    """
    data = None if given["data"] is None else LABELLED_SETS[given["data"]]
    if data is not None and given["root"] is None:
        raise ValueError(f"--data {data.name} needs its folder (--root), which has to look like this:\n{data.layout}")
    if (data is None) == (given.get("ground_truth") is None):
        raise ValueError("the ground truth is needed, once: --data and --root, or --ground-truth")
    if (given["predictions"] is None) == (given["model"] is None):
        raise ValueError("either --predictions or --model is needed")
    model = None
    if given["model"] is not None:
        settings = dict(map(_read_setting, given["predict"]))
        model = Model(given["model"], given["photos"], given["output"], settings, given["device"])
    split = given["split"] or ("" if data is None else data.default_split)
    agnostic = given.get("class_agnostic", False)
    usual = "hungarian" if model is not None and not agnostic else given.get("usual_mapping", NO_MAPPING)
    return Request(
        data=data,
        root=given["root"],
        split=split,
        ground_truth=given.get("ground_truth"),
        predictions=given["predictions"],
        model=model,
        mapping=given.get("mapping") or usual,
        fit_on=given.get("fit_on", "held-out"),
        fit_share=given.get("fit_share", 0.25),
        fit_predictions=given.get("fit_predictions"),
        options={name: given[name] for name in task_options},
        workers=given["workers"],
        progress=sys.stderr.isatty(),
    )


def _read_setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    number: Any
    if value.lower() in ("true", "false"):
        return name, value.lower() == "true"
    try:
        number = int(value) if value.lstrip("-").isdecimal() else float(value)
    except ValueError:
        raise ValueError(f"--predict must be KEY=NUMBER, got {text!r}") from None
    return name, number
