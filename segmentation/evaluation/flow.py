"""One task from what was asked to what is printed and written."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click

from segmentation.base.replace_file import replacing
from segmentation.base.wording import counted
from segmentation.evaluation.metrics.bootstrap import compare, intervals
from segmentation.evaluation.model_predictions import predictions_of
from segmentation.evaluation.paper_tables import print_paper_table
from segmentation.evaluation.request import Request
from segmentation.evaluation.tables import print_comparison, print_intervals
from segmentation.evaluation.tasks import Evaluation, Task


@dataclass(frozen=True)
class Report:
    """What is done with scores.

    Attributes:
        json_file: they are written to it.
        mapping_file: the mapping is written to it.
        bootstrap: number of resamplings; 0 for none.
        seed: of the resamplings.
        compare: other predictions, to be compared with.
        table: number of a table of the paper.
        add: files of scores for its other columns.
    """

    json_file: Path | None = None
    mapping_file: Path | None = None
    bootstrap: int = 0
    seed: int = 0
    compare: Path | None = None
    table: str | None = None
    add: Sequence[Path] = ()


DEFAULT_SAMPLES = 1000


def run_task(task: Task, request: Request, report: Report) -> None:
    """Scores a task, prints and writes.

    Raises:
        ValueError, OSError: see the readers and metrics.
    """
    truth = task.read(request, request.split)
    with located_predictions(request, request.split, {task.name: task.names(truth)}) as predictions:
        mapping = request.wanted_mapping()
        if request.other_split is not None:
            mapping = _fitted_elsewhere(task, request)
        scores = task.evaluate(request, truth, predictions, mapping)
        task.print(scores)
        contents = with_data(scores, request)
        note_part(request, len(task.names(truth)))
        if report.bootstrap:
            contents["intervals"] = _print_intervals(scores, report, request)
        if report.compare is not None:
            contents["comparison"] = _print_comparison(task, request, report, report.compare, truth, scores)
    finish({task.name: scores}, {task.name: contents}, report)


@contextmanager
def located_predictions(request: Request, split: str, names_of: dict[str, Sequence[str]]) -> Iterator[Path]:
    """File or folder of the predictions, made first if a model is to make them.

    Args:
        request: what was asked.
        split: of the data set.
        names_of: the photos of each task.
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


def with_data(scores: Evaluation, request: Request) -> dict[str, Any]:
    """The scores for a JSON file, with the data set in their protocol."""
    contents = scores.to_dict()
    if request.data is not None:
        facts = {"data": request.data.name, "split": request.split, "column": request.data.column}
        contents["protocol"] = {**contents["protocol"], **facts}
    return contents


def note_part(request: Request, photos: int) -> None:
    """Says so where a split is not all there."""
    whole = 0 if request.data is None else request.data.splits.get(request.split, 0)
    if whole and whole != photos:
        click.echo(
            f"Note: {counted(photos, 'photo')} in '{request.root}', the whole split has {whole:,}: not comparable with "
            "published figures",
            err=True,
        )


def finish(scores: Mapping[str, Evaluation], contents: Mapping[str, dict[str, Any]], report: Report) -> None:
    """Notes, the paper's table, and files."""
    for note in dict.fromkeys(note for each in scores.values() for note in each.notes):
        click.echo(f"Note: {note}", err=True)
    if report.table is not None:
        print_paper_table(report.table, [*contents.values(), *(_added(file) for file in report.add)])
    if report.mapping_file is not None:
        mapping = next((each.mapping for each in scores.values() if each.mapping is not None), None)
        if mapping is None:
            raise ValueError("--save-mapping needs a mapping, but there is none (--mapping)")
        mapping.save(report.mapping_file)
    if report.json_file is not None:
        write_json(report.json_file, next(iter(contents.values())) if len(contents) == 1 else dict(contents))


def write_json(path: Path, contents: dict[str, Any]) -> None:
    """Writes scores."""
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(contents, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _fitted_elsewhere(task: Task, request: Request) -> Any:
    """A mapping that is fitted on another split."""
    split = request.other_split
    if request.data is None or split is None:
        raise ValueError("--fit-on with the name of a split needs --data")
    truth = task.read(request, split)
    there = replace(request, predictions=request.fit_predictions, fit_on="scored")
    if request.model is None and request.fit_predictions is None:
        raise ValueError(f"--fit-on {split} needs the predictions of that split (--fit-predictions), or --model")
    if request.model is not None and request.model.output is not None:
        there = replace(there, model=replace(request.model, output=request.model.output / split))
    with located_predictions(there, split, {task.name: task.names(truth)}) as predictions:
        mapping = task.evaluate(there, truth, predictions, there.wanted_mapping()).mapping
    if mapping is None:
        raise ValueError(f"--fit-on {split} needs a rule (--mapping hungarian)")
    return replace(mapping, fitted_on=f"{counted(len(task.names(truth)), 'photo')} of the split {split}")


def _print_intervals(scores: Evaluation, report: Report, request: Request) -> dict[str, Any]:
    found = intervals(scores.quality, report.bootstrap, seed=report.seed, progress=request.progress)
    print_intervals(found, report.bootstrap)
    return {"samples": report.bootstrap, **{name: asdict(own) for name, own in found.items()}}


def _print_comparison(
    task: Task, request: Request, report: Report, predictions: Path, truth: Any, scores: Evaluation
) -> dict[str, Any]:
    mapping = request.wanted_mapping()
    if request.other_split is not None:
        raise ValueError("--compare cannot be used with a mapping that is fitted on another split")
    other = task.evaluate(request, truth, predictions, mapping)
    samples = report.bootstrap or DEFAULT_SAMPLES
    found = compare(scores.quality, other.quality, samples, seed=report.seed, progress=request.progress)
    own = request.predictions if request.model is None else request.model.folder
    names = str(own), str(predictions)
    print_comparison(found, names, samples)
    for note in other.notes:
        click.echo(f"Note on {predictions}: {note}", err=True)
    rows = {name: {**asdict(each), "verdict": each.verdict} for name, each in found.items()}
    return {"with": predictions.name, "samples": samples, **rows}


def _added(file: Path) -> dict[str, Any]:
    loaded = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(loaded, dict) or not isinstance(loaded.get("protocol"), dict):
        raise ValueError(f"--add must be a file that --json wrote for one task, got {file}")
    return loaded
