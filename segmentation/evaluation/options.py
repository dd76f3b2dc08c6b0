"""Options that the commands of ``segmentation.evaluate`` share."""

from collections.abc import Callable
from pathlib import Path

import click

from segmentation.base.choices import COMPARISON_SAMPLES, MAPPING_RULES, NO_MAPPING
from segmentation.evaluation.metrics.detection_limits import check_max_dets
from segmentation.evaluation.paper_tables import TABLES
from segmentation.evaluation.truth.catalogue import LABELLED_SETS
from segmentation.runs.run_command import FOLDER, NEW_FOLDER, Command, add_options

GIVEN_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_ANY = click.Path(exists=True, path_type=Path)
_NEW = click.Path(dir_okay=False, writable=True, path_type=Path)
json_option = click.option(
    "--json", "json_file", type=_NEW, help="Write the scores and their protocol to this file too."
)


def data_options(task: str | None) -> Callable[[Command], Command]:
    """Adds the options for ground truth, predictions, and the model that makes them.

    Args:
        task: task that data sets must have ground truth for; ``None`` for any task with classes.
    """
    tasks = ("instance", "semantic", "panoptic") if task is None else (task,)
    names = [name for name, data in LABELLED_SETS.items() if set(tasks) & set(data.tasks)]
    return add_options(
        click.option("--data", type=click.Choice(names), help="Data set; see the command datasets."),
        click.option("--root", type=FOLDER, help="Folder of the data set."),
        click.option("--split", help="Split of the data set, such as val.  [default: that of published figures]"),
        click.option("--predictions", type=_ANY, help="File or folder of predictions, see above."),
        click.option(
            "--model", type=FOLDER, help="Or: folder of a trained model (segmentation.train) that makes them first."
        ),
        click.option("--photos", type=FOLDER, help="Photos for the model.  [default: those of the data set]"),
        click.option(
            "-o",
            "--output",
            type=NEW_FOLDER,
            help="Folder to keep the model's predictions in.",
        ),
        click.option(
            "--predict",
            multiple=True,
            metavar="KEY=NUMBER",
            help="Setting of the model's predictions, such as stuff_area=128; may be repeated.",
        ),
        click.option(
            "--device", default="auto", show_default=True, help="Where the model runs: auto, cpu, cuda, cuda:1, ..."
        ),
        click.option(
            "--workers", type=click.IntRange(1), help="Number of processes.  [default: cores, if that is worth it]"
        ),
    )


def mapping_options(*, default: str = NO_MAPPING, unmatched: bool = True) -> Callable[[Command], Command]:
    """Adds the options for the mapping of clusters to classes.

    Args:
        default: rule for predictions in files; those of a model are mapped by ``hungarian``.
        unmatched: whether users choose what happens to clusters without a class.
    """
    options = [
        click.option(
            "--mapping",
            metavar=f"[{'|'.join((*MAPPING_RULES, NO_MAPPING))}|FILE]",
            help=f"What clusters stand for: a rule, or a file.  [default: hungarian for --model, else {default}]",
        ),
        click.option(
            "--fit-on",
            metavar="[held-out|scored|SPLIT]",
            default="held-out",
            show_default=True,
            help="Photos that the rule is fitted on: a share that is not scored, the scored ones, or another split.",
        ),
        click.option(
            "--fit-share",
            type=click.FloatRange(0, 1, min_open=True, max_open=True),
            default=0.25,
            show_default=True,
            help="Share of the photos that are held out.",
        ),
        click.option("--fit-predictions", type=_ANY, help="Predictions for the other split of --fit-on."),
        click.option("--save-mapping", "mapping_file", type=_NEW, help="Write the mapping to this file."),
    ]
    if unmatched:
        options.append(
            click.option(
                "--unmatched",
                type=click.Choice(["error", "ignore"]),
                default="error",
                show_default=True,
                help="Whether pixels of clusters without a class count as errors or not at all.",
            )
        )
    return add_options(*options)


def _read_max_dets(_context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
    try:
        limits = tuple(int(part) for part in text.split(",")) if text else ()
    except ValueError:
        message = f"expected numbers with commas between, such as 1,10,100,1000; got {text!r}"
        raise click.BadParameter(message, param=parameter) from None
    try:
        check_max_dets(limits)
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from None
    return limits


max_dets_option = click.option(
    "--max-dets",
    callback=_read_max_dets,
    default="",
    metavar="N[,N...]",
    help="Average recall of instances at these many masks a photo too, such as 1000 for AR1000.  [default: 1,10,100]",
)
report_options = (
    click.option(
        "--bootstrap",
        type=click.IntRange(0),
        default=0,
        help="Confidence intervals by this many resamplings of the photos.",
    ),
    click.option(
        "--compare",
        type=_ANY,
        help=f"Other predictions to compare with, by {COMPARISON_SAMPLES} resamplings or --bootstrap.",
    ),
    click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the resamplings."),
)
table_options = (
    click.option(
        "--table", type=click.Choice(TABLES), help="Print this table of the paper, as far as the scores fill it."
    ),
    click.option(
        "--add",
        multiple=True,
        type=GIVEN_FILE,
        help="File of scores (--json) for other columns of the table; may be repeated.",
    ),
    json_option,
)
