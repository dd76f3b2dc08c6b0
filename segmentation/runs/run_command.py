"""What the commands that run over photos have in common: options, the photos, the end."""

import hashlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from segmentation.base.device import DTYPES
from segmentation.data.photos import PhotoList, find_photos
from segmentation.runs.photo_run import PhotoRun, RunPlan
from segmentation.runs.run_folder import RunFolder

INTERRUPTED, SOME_SKIPPED = 130, 1
PICTURES = ("overlays", "panoptic", "semantic", "clusters")  # folders of what runs write
Command = TypeVar("Command", bound=Callable[..., Any])


def run_options(formats: Sequence[str], default: Sequence[str], dtype_of: str) -> Callable[[Command], Command]:
    """The arguments and options of a run that its command does not read itself.

    Args:
        formats: what can be written.
        default: what is written if nothing else is said.
        dtype_of: what ``--dtype`` is the precision of.
    """

    def chosen(_context: click.Context, parameter: click.Parameter, text: str) -> tuple[str, ...]:
        parts = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
        unknown = [part for part in parts if part not in formats]
        if unknown:
            raise click.BadParameter(f"expected some of {','.join(formats)}, got {','.join(unknown)}", param=parameter)
        return parts

    listed = f"What to write: {','.join(formats)}."
    options = [
        click.option("--batch-size", type=click.IntRange(1), default=8, help="Photos at a time."),
        click.option("--device", default="auto", help="auto, cpu, cuda, cuda:1 ..."),
        click.option("--dtype", type=click.Choice(DTYPES), default="auto", help=f"Of the {dtype_of}."),
        click.option("--format", "formats", callback=chosen, default=",".join(default), help=listed),
        click.option(
            "--max-photos-in-page", type=click.IntRange(1), default=200, help="The HTML page holds the first ones."
        ),
        click.option("--resume", is_flag=True, help="Continue the run that is in the folder."),
        click.option("--overwrite", is_flag=True, help="Replace the run that is in the folder."),
    ]

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def run_plan(photos: Sequence[Path], found: PhotoList, output: Path, asked: dict[str, Any], options: Any) -> RunPlan:
    """A run in its folder, which is made.

    Args:
        photos: files and folders that were given.
        found: the photos in them, see :func:`photos_to_do`.
        output: the folder.
        asked: what determines the results.
        options: of :func:`run_options`, by name.

    Raises:
        FileExistsError, ValueError: see :class:`~segmentation.runs.run_folder.RunFolder`.
    """
    asked = {**asked, "dtype": options["dtype"], "format": list(options["formats"])}
    folder = RunFolder(output, asked, resume=options["resume"], overwrite=options["overwrite"])
    root = photos[0].resolve() if len(photos) == 1 and photos[0].is_dir() else None
    return RunPlan(folder, found, asked, options["formats"], root, options["batch_size"], options["max_photos_in_page"])


def photos_to_do(paths: Sequence[Path], output: Path) -> PhotoList:
    """The photos in ``paths``, without the pictures that an earlier run wrote to a folder among them.

    Raises:
        FileNotFoundError, ValueError: there are none.
    """
    found = find_photos(paths)
    written = {(output / name).resolve() for name in PICTURES}
    photos = [photo for photo in found if written.isdisjoint(photo.path.resolve().parents)]
    if not photos:
        raise ValueError(f"no photos in {', '.join(map(str, paths))} but the pictures of a run in {output}")
    return PhotoList(photos, found.ignored, found.unreadable)


def run_to_the_end(run: PhotoRun[Any]) -> NoReturn:
    """Processes, finishes, and exits with the status."""
    if not run.process():
        done = f"interrupted after {len(run.folder.done)} of {len(run.photos)} photos"
        run.console.print(f"{done}; continue with --resume")
        sys.exit(INTERRUPTED)
    run.finish()
    sys.exit(SOME_SKIPPED if run.skipped else 0)


def sha256(path: Path) -> str:
    """Names the weights, whatever their file is called: with others, a run cannot be resumed."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(2**24):
            digest.update(part)
    return digest.hexdigest()
