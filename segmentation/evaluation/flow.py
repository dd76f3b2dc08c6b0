"""Scores a task: from a request to what is printed and written."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click

from segmentation.base.choices import COMPARISON_SAMPLES
from segmentation.base.replace_file import replacing
from segmentation.base.wording import counted
from segmentation.evaluation.metrics.bootstrap import compare, intervals
from segmentation.evaluation.metrics.boundaries import BSDS_TOLERANCE
from segmentation.evaluation.metrics.hierarchy import evaluate_hierarchies
from segmentation.evaluation.model_predictions import predictions_of
from segmentation.evaluation.paper_tables import print_paper_table
from segmentation.evaluation.request import Request
from segmentation.evaluation.tables import print_comparison, print_hierarchy_scores, print_intervals
from segmentation.evaluation.tasks import Evaluation, Task
from segmentation.evaluation.truth.catalogue import LABELLED_SETS


@dataclass(frozen=True)
class Report:
    """What to do with scores beside printing them.

    Attributes:
        json_file: file to write the scores to.
        mapping_file: file to write the mapping to.
        bootstrap: number of resamplings for confidence intervals; 0 for none.
        seed: seed of the resamplings.
        compare: other predictions to compare with.
        table: number of a table of the paper to print.
        add: files of scores for other columns of the table.
    """

    json_file: Path | None = None
    mapping_file: Path | None = None
    bootstrap: int = 0
    seed: int = 0
    compare: Path | None = None
    table: str | None = None
    add: Sequence[Path] = ()


def run_task(task: Task, request: Request, report: Report) -> None:
    """Scores a task, prints the scores and writes them.

    Raises:
        ValueError, OSError: see the readers and metrics.
    """
    truth = task.read(request, request.split)
    with located_predictions(request, request.split, {task.name: task.names(truth)}) as predictions:
        mapping = request.mapping_or_plan()
        if request.other_split is not None:
            mapping = _fit_on_other_split(task, request)
        scores = task.evaluate(request, truth, predictions, mapping)
        task.print(scores)
        contents = scores_with_data_set(scores, request)
        note_incomplete_split(request, len(task.names(truth)))
        if report.bootstrap:
            contents["intervals"] = _print_intervals(scores, report, request)
        if report.compare is not None:
            contents["comparison"] = _print_comparison(task, request, report, report.compare, truth, scores)
    print_and_write({task.name: scores}, {task.name: contents}, report)


@contextmanager
def located_predictions(request: Request, split: str, names_of: dict[str, Sequence[str]]) -> Iterator[Path]:
    """Yields the file or folder of the predictions, which a model makes first if the request has one.

    Args:
        request: what to score.
        split: split of the data set.
        names_of: names of the photos of each task.
    """
    if request.model is None:
        if request.predictions is None:
            raise ValueError("either --predictions or --model is needed, got neither")
        yield request.predictions
        return
    photos = request.model.photos
    if photos is None:
        if request.data is None or request.root is None:
            raise ValueError("--model needs --photos where the ground truth is given as a file")
        photos = request.root / request.data.photos.format(split=split)
        nested = [request.root / "VOCdevkit" / year / photos.name for year in ("VOC2007", "VOC2012")]
        photos = next((each for each in [photos, *nested] if each.is_dir()), photos)
    names = list(dict.fromkeys(name for names in names_of.values() for name in names))
    with predictions_of(request.model, photos, names, list(names_of)) as folder:
        yield folder


def scores_with_data_set(scores: Evaluation, request: Request) -> dict[str, Any]:
    """Returns the scores for a JSON file, with the data set in their protocol."""
    contents = scores.to_dict()
    if request.data is not None:
        facts = {"data": request.data.name, "split": request.split, "column": request.data.column}
        contents["protocol"] = {**contents["protocol"], **facts}
    return contents


def note_incomplete_split(request: Request, photos: int) -> None:
    """Prints a note if photos of the split are missing."""
    expected = 0 if request.data is None else request.data.splits.get(request.split, 0)
    if expected and expected != photos:
        click.echo(
            f"Note: {counted(photos, 'photo')} in '{request.root}', the whole split has {expected:,}: not comparable "
            "with published figures",
            err=True,
        )


def print_and_write(scores: Mapping[str, Evaluation], contents: Mapping[str, dict[str, Any]], report: Report) -> None:
    """Prints notes and the paper's table, and writes the files of a report."""
    for note in dict.fromkeys(note for each in scores.values() for note in each.notes):
        click.echo(f"Note: {note}", err=True)
    if report.table is not None:
        print_paper_table(report.table, [*contents.values(), *(_read_scores(file) for file in report.add)])
    if report.mapping_file is not None:
        mapping = next((each.mapping for each in scores.values() if each.mapping is not None), None)
        if mapping is None:
            raise ValueError("--save-mapping needs a mapping, but there is none (--mapping)")
        mapping.save(report.mapping_file)
    if report.json_file is not None:
        write_json(report.json_file, next(iter(contents.values())) if len(contents) == 1 else dict(contents))


def run_hierarchy(
    ground_truth: Path | None,
    root: Path | None,
    split: str,
    predictions: Path,
    kind: str,
    boundaries: bool,
    workers: int | None,
    json_file: Path | None,
) -> None:
    """Scores hierarchies against human segmentations, prints the scores and writes them.

    Args:
        ground_truth: folder of a split of BSDS500.
        root: folder of BSDS500, instead.
        split: split in it.
        predictions: output folder of ``segmentation.pseudo_masks``.
        kind: hierarchy to score, ``instance`` or ``semantic``.
        boundaries: whether boundaries are scored too.
        workers: number of processes; ``None`` for as many as are worth it.
        json_file: file to write the scores to.

    Raises:
        ValueError, OSError: see the readers and metrics.
    """
    if (ground_truth is None) == (root is None):
        raise ValueError("either --ground-truth or --root is needed")
    truth = ground_truth if root is None else LABELLED_SETS["bsds500"].hierarchy(root, split)
    scores = evaluate_hierarchies(
        truth or "",
        predictions,
        kind=kind,
        tolerance=BSDS_TOLERANCE if boundaries else None,
        workers=workers,
        progress=sys.stderr.isatty(),
    )
    print_hierarchy_scores(scores)
    for note in scores.notes:
        click.echo(f"Note: {note}", err=True)
    if json_file is not None:
        write_json(json_file, scores.to_dict())


def write_json(path: Path, contents: dict[str, Any]) -> None:
    """Writes scores to a JSON file."""
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(contents, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _fit_on_other_split(task: Task, request: Request) -> Any:
    """Fits the mapping on another split."""
    split = request.other_split
    if request.data is None or split is None:
        raise ValueError("--fit-on with the name of a split needs --data")
    truth = task.read(request, split)
    other = replace(request, predictions=request.fit_predictions, fit_on="scored")
    if request.model is None and request.fit_predictions is None:
        raise ValueError(f"--fit-on {split} needs the predictions of that split (--fit-predictions), or --model")
    if request.model is not None and request.model.output is not None:
        other = replace(other, model=replace(request.model, output=request.model.output / split))
    with located_predictions(other, split, {task.name: task.names(truth)}) as predictions:
        mapping = task.evaluate(other, truth, predictions, other.mapping_or_plan()).mapping
    if mapping is None:
        raise ValueError(f"--fit-on {split} needs a rule (--mapping hungarian)")
    return replace(mapping, fitted_on=f"{counted(len(task.names(truth)), 'photo')} of the split {split}")


def _print_intervals(scores: Evaluation, report: Report, request: Request) -> dict[str, Any]:
    found = intervals(scores.quality, report.bootstrap, seed=report.seed, progress=request.progress)
    print_intervals(found, report.bootstrap)
    return {"samples": report.bootstrap, **{name: asdict(interval) for name, interval in found.items()}}


def _print_comparison(
    task: Task, request: Request, report: Report, predictions: Path, truth: Any, scores: Evaluation
) -> dict[str, Any]:
    mapping = request.mapping_or_plan()
    if request.other_split is not None:
        raise ValueError("--compare cannot be used with a mapping that is fitted on another split")
    other = task.evaluate(request, truth, predictions, mapping)
    samples = report.bootstrap or COMPARISON_SAMPLES
    found = compare(scores.quality, other.quality, samples, seed=report.seed, progress=request.progress)
    first = request.predictions if request.model is None else request.model.folder
    print_comparison(found, (str(first), str(predictions)), samples)
    for note in other.notes:
        click.echo(f"Note on {predictions}: {note}", err=True)
    rows = {name: {**asdict(each), "verdict": each.verdict} for name, each in found.items()}
    return {"with": predictions.name, "samples": samples, **rows}


def _read_scores(file: Path) -> dict[str, Any]:
    loaded = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(loaded, dict) or not isinstance(loaded.get("protocol"), dict):
        raise ValueError(f"--add must be a file that --json wrote for one task, got {file}")
    return loaded
