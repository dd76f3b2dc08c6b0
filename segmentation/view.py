"""Builds the HTML page of a run again: ``python -m segmentation.view OUT``."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

import click
import numpy as np

from segmentation.data.formats import PhotoError
from segmentation.runs.run_command import COMMAND, FOLDER


@click.command(**COMMAND)
@click.argument("out", type=FOLDER)
@click.option("--photos", type=FOLDER, help="Folder that the file names in OUT/instances.json start from.")
@click.option("--max-photos", type=click.IntRange(1), default=200, help="Only the first photos.")
def view(out: Path, photos: Path | None, max_photos: int) -> None:
    """Build OUT/index.html again from OUT/instances.json and the photos.

    The page is one file that works without a network. Photos that cannot be read are named and shown in grey.
    Without --photos they are looked for in the folder that OUT/instances.json names.
    """
    from segmentation.export.viewer_page import write_page

    source = out / "instances.json"
    try:
        dataset = json.loads(source.read_bytes())
    except (OSError, ValueError) as error:
        raise click.UsageError(f"cannot read {source}: {error}") from error
    unreadable = []

    def read(image: dict[str, Any]) -> np.ndarray | None:
        folder = dataset["info"].get("photos") if photos is None else photos
        if not isinstance(folder, str | Path):
            raise click.UsageError("instances.json does not say where the photos are: give --photos DIR")
        try:
            return _read_photo(Path(folder), image)
        except PhotoError as error:
            unreadable.append(f"{image['file_name']}: {error.reason}")
            return None

    try:
        write_page(out / "index.html", dataset, read, max_photos=max_photos)
    except (KeyError, TypeError, ValueError) as error:
        raise click.UsageError(f"{source}: {error}") from error
    for line in unreadable:
        click.echo(f"not readable: {line}", err=True)
    click.echo(f"wrote {out / 'index.html'}")


def _read_photo(folder: Path, image: dict[str, Any]) -> np.ndarray:
    from segmentation.data.decode import read_photo

    name = PurePosixPath(image["file_name"])
    if name.is_absolute() or ".." in name.parts:
        raise PhotoError("the name leads out of the folder of photos")
    photo = read_photo(folder / name)
    if photo.shape[:2] != (image["height"], image["width"]):
        found = "x".join(map(str, photo.shape[1::-1]))
        raise PhotoError(f"its size is {found} now, not {image['width']}x{image['height']}")
    return photo


if __name__ == "__main__":
    view()
