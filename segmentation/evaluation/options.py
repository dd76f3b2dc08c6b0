"""The options of the commands, and what they say together."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from segmentation.evaluation.flow import DEFAULT_SAMPLES, Report
from segmentation.evaluation.metrics.mapping import RULES
from segmentation.evaluation.paper_tables import TABLES
from segmentation.evaluation.request import NO_MAPPING, Model, Request
from segmentation.evaluation.truth.catalogue import LABELLED_SETS

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_ANY = click.Path(exists=True, path_type=Path)
_NEW = click.Path(dir_okay=False, writable=True, path_type=Path)
Command = TypeVar("Command", bound=Callable[..., Any])
json_option = click.option(
    "--json", "json_file", type=_NEW, help="Write the scores and their protocol to this file too."
)


def data_options(task: str | None) -> Callable[[Command], Command]:
    """What is scored on what.

    Args:
        task: that data sets must have ground truth for; ``None`` for any with classes.
    """
    tasks = ("instance", "semantic", "panoptic") if task is None else (task,)
    names = [name for name, own in LABELLED_SETS.items() if set(tasks) & set(own.tasks)]
    return adding(
        click.option("--data", type=click.Choice(names), help="Data set; see the command datasets."),
        click.option("--root", type=FOLDER, help="Its folder."),
        click.option("--split", help="Its split, such as val.  [default: that of published figures]"),
        click.option("--predictions", type=_ANY, help="File or folder, see below."),
        click.option("--model", type=FOLDER, help="Or: trained model (segmentation.train) that makes them first."),
        click.option("--photos", type=FOLDER, help="Its photos.  [default: those of the data set]"),
        click.option(
            "-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="Keep its predictions here."
        ),
        click.option(
            "--predict", multiple=True, metavar="KEY=NUMBER", help="Setting of its predictions, such as stuff_area=128."
        ),
        click.option("--device", default="auto", show_default=True, help="Where it runs: auto, cpu, cuda ..."),
        click.option("--workers", type=click.IntRange(1), help="Processes.  [default: cores, if that is worth it]"),
    )


def mapping_options(*, default: str = NO_MAPPING, unmatched: bool = True) -> Callable[[Command], Command]:
    """What clusters stand for.

    Args:
        default: rule for predictions of files; those of a model are mapped by ``hungarian``.
        unmatched: whether there is a choice for clusters without a class.
    """
    options = [
        click.option(
            "--mapping",
            metavar=f"[{'|'.join((*RULES, NO_MAPPING))}|FILE]",
            help=f"What clusters stand for: a rule, or a file.  [default: hungarian for --model, else {default}]",
        ),
        click.option(
            "--fit-on",
            metavar="[held-out|scored|SPLIT]",
            default="held-out",
            show_default=True,
            help="Photos that the rule is fitted on: a part that is not scored; the scored ones; another split.",
        ),
        click.option(
            "--fit-share",
            type=click.FloatRange(0, 1, min_open=True, max_open=True),
            default=0.25,
            show_default=True,
            help="Share of the photos that are held out.",
        ),
        click.option("--fit-predictions", type=_ANY, help="Predictions of the other split."),
        click.option("--save-mapping", "mapping_file", type=_NEW, help="Write the mapping to this file."),
    ]
    if unmatched:
        options.append(
            click.option(
                "--unmatched",
                type=click.Choice(["error", "ignore"]),
                default="error",
                show_default=True,
                help="Pixels of clusters without a class are wrong, or do not count.",
            )
        )
    return adding(*options)


report_options = (
    click.option("--bootstrap", type=click.IntRange(0), default=0, help="Confidence intervals by so many resamplings."),
    click.option("--compare", type=_ANY, help=f"Other predictions: which is better? ({DEFAULT_SAMPLES} resamplings)"),
    click.option("--seed", type=click.IntRange(0), default=0, help="Of the resamplings."),
)
table_options = (
    click.option("--table", type=click.Choice(TABLES), help="Print this table of the paper, as far as scores fill it."),
    click.option("--add", multiple=True, type=FILE, help="Scores (--json) for other columns of the table."),
    json_option,
)


def request_of(given: dict[str, Any], *own: str) -> Request:
    """What was asked.

    Args:
        given: the options.
        own: names of those of the task itself.

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
    if given["model"] is None:
        model = None
    else:
        settings = dict(map(_setting, given["predict"]))
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
        own={name: given[name] for name in own},
        workers=given["workers"],
        progress=sys.stderr.isatty(),
    )


def report_of(given: dict[str, Any]) -> Report:
    """What is done with the scores."""
    names = ("json_file", "mapping_file", "bootstrap", "seed", "compare", "table", "add")
    return Report(**{name: given[name] for name in names if name in given})


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    number: Any
    if value.lower() in ("true", "false"):
        return name, value.lower() == "true"
    try:
        number = int(value) if value.lstrip("-").isdecimal() else float(value)
    except ValueError:
        raise ValueError(f"--predict must be KEY=NUMBER, got {text!r}") from None
    return name, number


def adding(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Several options."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add
