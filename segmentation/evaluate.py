"""Scores predictions against ground truth: ``python -m segmentation.evaluate instance ...``."""

from typing import Any

import click

from segmentation.base.choices import COCO_ENGINES
from segmentation.evaluation.options import (
    GIVEN_FILE,
    data_options,
    json_option,
    mapping_options,
    max_dets_option,
    report_options,
    table_options,
)
from segmentation.evaluation.truth.catalogue import LABELLED_SETS
from segmentation.runs.run_command import FOLDER, add_options


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def evaluate() -> None:
    """Score predictions against ground truth.

    Predictions are files, of whatever method, or made first by a trained model (--model).
    """


@evaluate.command()
@data_options("instance")
@click.option("--ground-truth", type=GIVEN_FILE, help="COCO file with the labelled objects, instead of a data set.")
@click.option("--class-agnostic", is_flag=True, help="Take all categories for one.")
@click.option(
    "--kind",
    type=click.Choice(["instance", "semantic", "all"]),
    default="instance",
    show_default=True,
    help="Kind of predictions that count, where they have a kind.",
)
@max_dets_option
@click.option(
    "--engine",
    type=click.Choice(COCO_ENGINES),
    default="auto",
    show_default=True,
    help="What computes the twelve numbers: a library, or this package. auto: pycocotools where it takes seconds.",
)
@mapping_options(unmatched=False)
@add_options(*report_options, *table_options)
def instance(**given: Any) -> None:
    """Score instances: COCO's AP and AR of masks and boxes, and the average best overlap.

    Predictions are a list of COCO results, a COCO-format file such as instances.json of segmentation.pseudo_masks, or
    an output folder of segmentation.predict.
    """
    if given["engine"] == "auto" and (given["bootstrap"] or given["compare"]):
        given["engine"] = "own"  # only its counts can be resampled
    _score("instance", given, "class_agnostic", "kind", "max_dets", "engine")


@evaluate.command()
@data_options("semantic")
@click.option(
    "--labels",
    type=click.Choice(["classes", "dataset"]),
    default="classes",
    show_default=True,
    help="Labels without a mapping: numbers of classes, or the labels of the data set's files.",
)
@click.option("--crop", type=click.IntRange(1), help="Compare the centre square, resized to this side (usual: 320).")
@mapping_options()
@add_options(*report_options, *table_options)
def semantic(**given: Any) -> None:
    """Score label maps: pixel accuracy and mean IoU.

    Predictions are a folder of PNG files named as the photos are, a label for each pixel, of 8 bits (255 for none) or
    16 bits (65535 for none); or an output folder of segmentation.predict.
    """
    _score("semantic", given, "labels", "crop", "unmatched")


@evaluate.command()
@data_options("panoptic")
@click.option("--ground-truth", type=GIVEN_FILE, help="COCO panoptic file, instead of a data set.")
@click.option(
    "--ground-truth-maps", type=FOLDER, help="Maps of that file.  [default: the folder of its name beside it]"
)
@click.option("--maps", type=FOLDER, help="Maps of the predictions.  [default: the folder of their name beside them]")
@mapping_options()
@add_options(*report_options, *table_options)
def panoptic(**given: Any) -> None:
    """Score panoptic maps: panoptic, segmentation and recognition quality.

    Predictions are a file in COCO's panoptic format with a folder of PNG files, or an output folder of
    segmentation.predict.
    """
    _score("panoptic", given, "ground_truth_maps", "maps", "unmatched")


@evaluate.command("all")
@data_options(None)
@max_dets_option
@mapping_options(default="hungarian")
@add_options(*table_options)
def all_tasks(**given: Any) -> None:
    """Score all tasks that the data set has ground truth for, with one mapping of clusters.

    Predictions are an output folder of segmentation.predict, or made by --model.
    """
    _score("all", {**given, "usual_mapping": "hungarian"}, "max_dets", "unmatched")


@evaluate.command()
@click.option("--ground-truth", type=FOLDER, help="Folder with the .mat files of a BSDS500 split.")
@click.option("--root", type=FOLDER, help="Or: folder of BSDS500.")
@click.option("--split", default="val", show_default=True, help="Split of BSDS500.")
@click.option("--predictions", required=True, type=FOLDER, help="Output folder of segmentation.pseudo_masks.")
@click.option(
    "--kind",
    type=click.Choice(["instance", "semantic"]),
    default="instance",
    show_default=True,
    help="Kind of hierarchy to score.",
)
@click.option("--boundaries", is_flag=True, help="Score boundaries too: some seconds a photo.")
@click.option("--workers", type=click.IntRange(1), help="Number of processes.  [default: cores, if that is worth it]")
@json_option
def hierarchy(**given: Any) -> None:
    """Score hierarchies against human segmentations: covering, Rand index, variation of information, boundaries."""
    _score("hierarchy", given)


@evaluate.command()
@click.argument("names", nargs=-1, type=click.Choice(list(LABELLED_SETS)))
def datasets(names: tuple[str, ...]) -> None:
    """List the data sets: tasks, files, licence, and where people get them."""
    for name in names or LABELLED_SETS:
        data = LABELLED_SETS[name]
        splits = ", ".join(f"{split} ({photos:,})" if photos else split for split, photos in data.splits.items())
        click.echo(f"{name}: {data.title}\n")
        for title, text in (
            ("tasks", ", ".join(data.tasks)),
            ("splits", f"{splits}; the first one is the default"),
            ("licence", data.licence),
            ("from", data.source),
        ):
            click.echo(f"  {title:8}{text}")
        click.echo(f"  files in the folder:\n\n{data.layout}\n".replace("\n  ", "\n    "))


def _score(task: str, given: dict[str, Any], *task_options: str) -> None:
    """Scores one task or all, as the options say; ``task_options`` are the names of those that only the task has."""
    from segmentation.evaluation.all_tasks import run_all
    from segmentation.evaluation.flow import Report, run_hierarchy, run_task
    from segmentation.evaluation.request import read_request
    from segmentation.evaluation.tasks import TASKS

    try:
        if task == "hierarchy":
            run_hierarchy(**given)
            return
        request = read_request(given, *task_options)
        report = Report(**{name: given[name] for name in Report.__dataclass_fields__ if name in given})
        if task == "all":
            run_all(request, report)
        else:
            run_task(TASKS[task], request, report)
    except (TypeError, ValueError, OSError) as error:
        raise click.UsageError(str(error)) from error


if __name__ == "__main__":
    evaluate(prog_name="python -m segmentation.evaluate")
