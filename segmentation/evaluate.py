"""Scores of predictions against ground truth: ``python -m segmentation.evaluate instance ...``."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from segmentation.evaluation.all_tasks import run_all
from segmentation.evaluation.flow import run_task, write_json
from segmentation.evaluation.metrics import evaluate_hierarchies
from segmentation.evaluation.metrics.boundaries import BSDS_TOLERANCE
from segmentation.evaluation.metrics.libraries import ENGINES
from segmentation.evaluation.options import (
    FILE,
    FOLDER,
    adding,
    data_options,
    json_option,
    mapping_options,
    report_of,
    report_options,
    request_of,
    table_options,
)
from segmentation.evaluation.tables import print_hierarchy_scores
from segmentation.evaluation.tasks import TASKS
from segmentation.evaluation.truth.catalogue import LABELLED_SETS


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def evaluate() -> None:
    """Score predictions against ground truth.

    Predictions are files of anybody, or made first by a trained model (--model).
    """


@evaluate.command()
@data_options("instance")
@click.option("--ground-truth", type=FILE, help="COCO file with the labelled objects, instead of a data set.")
@click.option("--class-agnostic", is_flag=True, help="Every category becomes one.")
@click.option(
    "--kind",
    type=click.Choice(["instance", "semantic", "all"]),
    default="instance",
    show_default=True,
    help="Which predictions count, where they have a kind.",
)
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="own",
    show_default=True,
    help="What counts the twelve numbers; the libraries are a check.",
)
@mapping_options(unmatched=False)
@adding(*report_options, *table_options)
def instance(**given: Any) -> None:
    """COCO's AP and AR of masks and boxes, and the average best overlap.

    Predictions are a list of COCO results, a COCO-format file such as instances.json of segmentation.pseudo_masks, or
    an output folder of segmentation.predict.
    """
    _run(lambda: run_task(TASKS["instance"], request_of(given, "class_agnostic", "kind", "engine"), report_of(given)))


@evaluate.command()
@data_options("semantic")
@click.option(
    "--labels",
    type=click.Choice(["classes", "dataset"]),
    default="classes",
    show_default=True,
    help="Without a mapping: labels are numbers of classes, or those of the data set's own files.",
)
@click.option("--crop", type=click.IntRange(1), help="Compare in the centre square, resized to this side (320).")
@mapping_options()
@adding(*report_options, *table_options)
def semantic(**given: Any) -> None:
    """Pixel accuracy and mean IoU of label maps.

    Predictions are a folder of PNG files named as the photos are: a label for each pixel, of 8 bits (255 for none) or
        of
    16 (65535 for none); or an output folder of segmentation.predict.
    """
    _run(lambda: run_task(TASKS["semantic"], request_of(given, "labels", "crop", "unmatched"), report_of(given)))


@evaluate.command()
@data_options("panoptic")
@click.option("--ground-truth", type=FILE, help="COCO panoptic file, instead of a data set.")
@click.option("--ground-truth-maps", type=FOLDER, help="Its maps.  [default: the folder of its name beside it]")
@click.option("--maps", type=FOLDER, help="Maps of the predictions.  [default: the folder of their name beside them]")
@mapping_options()
@adding(*report_options, *table_options)
def panoptic(**given: Any) -> None:
    """Panoptic, segmentation and recognition quality.

    Predictions are a file in COCO's panoptic format with a folder of PNG files, or an output folder of
    segmentation.predict.
    """
    own = ("ground_truth_maps", "maps", "unmatched")
    _run(lambda: run_task(TASKS["panoptic"], request_of(given, *own), report_of(given)))


@evaluate.command("all")
@data_options(None)
@mapping_options(default="hungarian")
@adding(*table_options)
def all_tasks(**given: Any) -> None:
    """Every task that the data set has ground truth for, with one mapping of clusters for all.

    Predictions are an output folder of segmentation.predict, or made by --model.
    """
    _run(lambda: run_all(request_of({**given, "usual_mapping": "hungarian"}, "unmatched"), report_of(given)))


@evaluate.command()
@click.option("--ground-truth", type=FOLDER, help="Folder with the .mat files of a BSDS500 split.")
@click.option("--root", type=FOLDER, help="Or: folder of BSDS500.")
@click.option("--split", default="val", show_default=True, help="Its split.")
@click.option("--predictions", required=True, type=FOLDER, help="Output folder of segmentation.pseudo_masks.")
@click.option(
    "--kind",
    type=click.Choice(["instance", "semantic"]),
    default="instance",
    show_default=True,
    help="Which hierarchy to score.",
)
@click.option("--boundaries", is_flag=True, help="The F-measure of the boundaries, too: some seconds a photo.")
@click.option("--workers", type=click.IntRange(1), help="Processes.  [default: cores, if that is worth it]")
@json_option
def hierarchy(
    ground_truth: Path | None,
    root: Path | None,
    split: str,
    predictions: Path,
    kind: str,
    boundaries: bool,
    workers: int | None,
    json_file: Path | None,
) -> None:
    """Covering, Rand index, variation of information and boundary F-measure against human segmentations."""

    def run() -> None:
        if (ground_truth is None) == (root is None):
            raise ValueError("either --ground-truth or --root is needed")
        folder = ground_truth if root is None else LABELLED_SETS["bsds500"].hierarchy(root, split)
        scores = evaluate_hierarchies(
            folder or "",
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

    _run(run)


@evaluate.command()
@click.argument("names", nargs=-1, type=click.Choice(list(LABELLED_SETS)))
def datasets(names: tuple[str, ...]) -> None:
    """List the data sets: tasks, files, licence, and where people get them."""
    for name in names or LABELLED_SETS:
        own = LABELLED_SETS[name]
        splits = ", ".join(f"{split} ({photos:,})" if photos else split for split, photos in own.splits.items())
        click.echo(f"{name}: {own.title}\n")
        for title, text in (
            ("tasks", ", ".join(own.tasks)),
            ("splits", f"{splits}; the first one is the default"),
            ("licence", own.licence),
            ("from", own.source),
        ):
            click.echo(f"  {title:8}{text}")
        click.echo(f"  files in the folder:\n\n{own.layout}\n".replace("\n  ", "\n    "))


def _run(call: Callable[[], None]) -> None:
    try:
        call()
    except (TypeError, ValueError, OSError) as error:
        raise click.UsageError(str(error)) from error


if __name__ == "__main__":
    evaluate(prog_name="python -m segmentation.evaluate")
