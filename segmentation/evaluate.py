"""Scores of masks and hierarchies against ground truth: ``python -m segmentation.evaluate instance ...``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from segmentation.metrics import evaluate_hierarchies, evaluate_instances
from segmentation.metrics.tables import print_hierarchy_scores, print_instance_scores

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_json_option = click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the scores and their protocol to this file too.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def evaluate() -> None:
    """Score predictions against ground truth."""


@evaluate.command()
@click.option("--ground-truth", required=True, type=_FILE, help="COCO file with the labelled objects.")
@click.option(
    "--predictions",
    required=True,
    type=_FILE,
    help="instances.json of segmentation.pseudo_masks, or a list of COCO results.",
)
@click.option("--class-agnostic", is_flag=True, help="Every category becomes one.")
@click.option(
    "--kind",
    type=click.Choice(["instance", "semantic", "all"]),
    default="instance",
    show_default=True,
    help="Which predictions count, where they have a kind.",
)
@_json_option
def instance(ground_truth: Path, predictions: Path, class_agnostic: bool, kind: str, json_file: Path | None) -> None:
    """COCO's AP and AR of masks and boxes, and the average best overlap."""
    try:
        scores = evaluate_instances(ground_truth, predictions, class_agnostic=class_agnostic, kind=kind)
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    print_instance_scores(scores)
    _finish(scores.to_dict(), scores.notes, json_file)


@evaluate.command()
@click.option("--ground-truth", required=True, type=_FOLDER, help="Folder with the .mat files of a BSDS500 split.")
@click.option("--predictions", required=True, type=_FOLDER, help="Output folder of segmentation.pseudo_masks.")
@click.option(
    "--kind",
    type=click.Choice(["instance", "semantic"]),
    default="instance",
    show_default=True,
    help="Which hierarchy to score.",
)
@_json_option
def hierarchy(ground_truth: Path, predictions: Path, kind: str, json_file: Path | None) -> None:
    """Covering, Rand index and variation of information against human segmentations."""
    try:
        scores = evaluate_hierarchies(ground_truth, predictions, kind=kind)
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    print_hierarchy_scores(scores)
    _finish(scores.to_dict(), scores.notes, json_file)


def _finish(scores: dict[str, Any], notes: Sequence[str], json_file: Path | None) -> None:
    for note in notes:
        click.echo(f"Note: {note}", err=True)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(scores, indent=1, allow_nan=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    evaluate(prog_name="python -m segmentation.evaluate")
