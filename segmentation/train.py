"""Trains a segmentor without labels: ``python -m segmentation.train``."""

import sys
import time
from contextlib import closing
from pathlib import Path

import click
import yaml
from rich.console import Console

from segmentation.base.device import choose_device
from segmentation.config import TrainSettings, load_training, preset_names
from segmentation.evaluation.train_report import write_report
from segmentation.models.files import SETTINGS_FILE, load_settings
from segmentation.training.distributed import Processes
from segmentation.training.run import TrainRun
from segmentation.training.step import NonFiniteLoss


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option(
    "--preset",
    type=click.Choice(preset_names()),
    help="Settings to start from.  [default: photos with --data, else scenes]",
)
@click.option(
    "--data",
    "photos",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Folder of photos to learn from; may be repeated.",
)
@click.option("--encoder", help="Vision transformer, by timm's name; of the preset without.")
@click.option(
    "--weights", type=click.Path(dir_okay=False, path_type=Path), help="File of its weights; timm's hub without."
)
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Any setting, as optimizer.steps=1000.")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write.  [default: runs/PRESET-TIME]",
)
@click.option("--resume", is_flag=True, help="Go on with the run that is in the folder.")
@click.option("--overwrite", is_flag=True, help="Begin again, whatever run is in the folder.")
@click.option(
    "--init-from",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a trained model to start from.",
)
@click.option(
    "--limit-time", type=click.FloatRange(0, min_open=True), help="Minutes after which to stop, to be resumed."
)
@click.option("--device", default="auto", help="Where to train: auto, cpu, cuda, cuda:1, ...")
def train(
    preset: str | None,
    photos: tuple[Path, ...],
    encoder: str | None,
    weights: Path | None,
    changes: tuple[str, ...],
    output: Path | None,
    resume: bool,
    overwrite: bool,
    init_from: Path | None,
    limit_time: float | None,
    device: str,
) -> None:
    """Learn to segment photos from nothing but photos.

    Without arguments a small segmentor learns on generated scenes, in minutes, and is compared with the pseudo-masks
    that taught it. For your own photos: --preset photos --data FOLDER. With torchrun, the same command runs on several
    processes.
    """
    began = time.monotonic()
    console = Console(highlight=False, soft_wrap=True)
    if resume and overwrite:
        raise click.UsageError("--resume and --overwrite exclude each other")
    if resume and output is None:
        raise click.UsageError("--resume needs the folder of the run: -o FOLDER")
    try:
        asked = [*_as_changes(photos, encoder, weights), *changes]
        preset = preset or ("photos" if photos else None)
        settings = _settings(preset, asked, output if resume else None)
        folder = output or Path("runs") / f"{preset or 'scenes'}-{time.strftime('%Y%m%d-%H%M%S')}"
        with closing(Processes.start(choose_device(device))) as processes:
            run = TrainRun(
                settings,
                folder,
                processes,
                console,
                resume=resume,
                overwrite=overwrite,
                init_from=init_from,
                limit=None if limit_time is None else 60 * limit_time,
            )
            finished = run.train()
            if finished and processes.is_main:
                write_report(run, init_from, seconds=time.monotonic() - began)
    except (OSError, ValueError, TypeError, NonFiniteLoss, yaml.YAMLError) as error:
        raise click.ClickException(str(error)) from error


def _settings(preset: str | None, changes: list[str], resumed: Path | None) -> TrainSettings:
    """Of the preset and the changes; of the run that is resumed, if neither is given."""
    if resumed is not None and preset is None and not changes:
        if not (resumed / SETTINGS_FILE).exists():
            raise FileNotFoundError(f"'{resumed}' has no run to resume: there is no {SETTINGS_FILE}")
        return load_settings(resumed)
    return load_training(preset or "scenes", changes)


def _as_changes(photos: tuple[Path, ...], encoder: str | None, weights: Path | None) -> list[str]:
    """The options that are settings, as ``--set`` has them."""
    changes = []
    if photos:
        changes += [f"run.photos={[str(photo) for photo in photos]}"]
    if encoder is not None:
        changes += [f"encoder.name={encoder}", "encoder.init=pretrained", "encoder.options={}"]
    if weights is not None:
        changes += [f"encoder.weights={str(weights)!r}"]
    return changes


if __name__ == "__main__":
    sys.exit(train.main(prog_name="python -m segmentation.train"))
