"""Writes generated scenes with their ground truth: ``python -m segmentation.scenes -o FOLDER``."""

from pathlib import Path

import click

from segmentation.runs.run_command import COMMAND, NEW_FOLDER


@click.command(**COMMAND)
@click.option("-o", "--output", required=True, type=NEW_FOLDER, help="Folder to write, new or empty.")
@click.option("--number", type=click.IntRange(1), default=100, help="How many scenes.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of the series of scenes.")
@click.option("--size", type=click.IntRange(32), default=128, help="Side of the photos, in pixels.")
@click.option("--start", type=click.IntRange(0), default=0, help="Number of the first scene.")
def scenes(output: Path, number: int, seed: int, size: int, start: int) -> None:
    """Write generated scenes: textured shapes on textured ground, with exact ground truth.

    Writes photos/, instances.json (the things, COCO format), panoptic.json and panoptic/ (COCO panoptic format) and
    semantic/ (a map of categories for each photo). The same options give the same scenes.
    """
    from segmentation.export.scene_files import write_scenes

    try:
        write_scenes(output, number, seed=seed, size=size, start=start)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"wrote {number} scenes to {output}")


if __name__ == "__main__":
    scenes()
