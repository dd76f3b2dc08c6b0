"""What the commands that run over photos share: options, messages, and the exit status."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from segmentation.base.choices import DTYPES
from segmentation.runs.run_plan import RunPlan, find_run_photos

INTERRUPTED, SOME_SKIPPED = 130, 1
Command = TypeVar("Command", bound=Callable[..., Any])


def add_options(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Adds options to a command, in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def run_options(formats: Sequence[str], default: Sequence[str], dtype_of: str) -> Callable[[Command], Command]:
    """Adds the options that every run over photos has.

    Args:
        formats: what can be written.
        default: what is written by default.
        dtype_of: the network that ``--dtype`` is the precision of.
    """

    def chosen(_context: click.Context, parameter: click.Parameter, text: str) -> tuple[str, ...]:
        parts = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
        unknown = [part for part in parts if part not in formats]
        if unknown:
            raise click.BadParameter(f"expected some of {','.join(formats)}, got {','.join(unknown)}", param=parameter)
        return parts

    listed = f"What to write: {','.join(formats)}."
    return add_options(
        click.option("--batch-size", type=click.IntRange(1), default=8, help="Photos at a time."),
        click.option("--device", default="auto", help="Where to run: auto, cpu, cuda, cuda:1, ..."),
        click.option("--dtype", type=click.Choice(DTYPES), default="auto", help=f"Precision of the {dtype_of}."),
        click.option("--format", "formats", callback=chosen, default=",".join(default), help=listed),
        click.option("--max-photos-in-page", type=click.IntRange(1), default=200, help="Only the first photos."),
        click.option("--resume", is_flag=True, help="Continue the run that is in the folder."),
        click.option("--overwrite", is_flag=True, help="Replace the run that is in the folder."),
    )


def carry_out(
    open_run: Callable[[RunPlan], Any], photos: Sequence[Path], output: Path, options: Mapping[str, Any]
) -> NoReturn:
    """Carries out a run over photos and exits with its status.

    Args:
        open_run: makes the :class:`~segmentation.runs.photo_run.PhotoRun` of a plan.
        photos: files and folders of photos.
        output: folder to write.
        options: those of :func:`run_options` by name, maybe among others.
    """
    if options["resume"] and options["overwrite"]:
        raise click.UsageError("--resume and --overwrite exclude each other")
    names = ("formats", "device", "dtype", "batch_size", "max_photos_in_page", "resume", "overwrite")
    try:
        found = find_run_photos(photos, output)
        run = open_run(RunPlan(photos, found, output, **{name: options[name] for name in names}))
    except (ValueError, TypeError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if not run.process():
        done = f"interrupted after {len(run.folder.done)} of {len(run.photos)} photos"
        run.console.print(f"{done}; continue with --resume")
        sys.exit(INTERRUPTED)
    run.finish()
    sys.exit(SOME_SKIPPED if run.skipped else 0)
