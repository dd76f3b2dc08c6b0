"""What the commands that run over photos share: options, messages, and the exit status."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from segmentation.base.choices import DTYPES
from segmentation.runs.run_plan import RunPlan, find_run_photos

INTERRUPTED, SOME_SKIPPED = 130, 1
COMMAND: dict[str, Any] = {"context_settings": {"help_option_names": ["-h", "--help"], "show_default": True}}
FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
NEW_FOLDER = click.Path(file_okay=False, path_type=Path)
Command = TypeVar("Command", bound=Callable[..., Any])


def add_options(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """Adds options to a command, in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def photo_options(formats: Sequence[str], default: Sequence[str], dtype_of: str) -> Callable[[Command], Command]:
    """Adds the argument ``PHOTOS`` and the options that every run over photos has.

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
        click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path)),
        click.option("-o", "--output", required=True, type=NEW_FOLDER, help="Folder to write."),
        click.option(
            "--size", type=click.IntRange(1), help="Photos get about as many pixels as a square of this side."
        ),
        click.option("--max-masks", type=click.IntRange(1), help="Most masks of a photo and kind."),
        click.option("--refine/--no-refine", default=None, help="Let masks follow the edges of the photo."),
        click.option(
            "--clean",
            type=click.FloatRange(0, 1),
            help="Drop parts of a mask, and fill holes, smaller than this share of its largest part; 0 for neither.",
        ),
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
        options: those of :func:`photo_options` by name, maybe among others.
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
