"""Trains a segmentor without labels: ``python -m segmentation.train``, or :func:`train_segmentor` from Python."""

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from segmentation.config import TrainSettings, load_training, preset_names
from segmentation.runs.run_command import COMMAND, FILE, FOLDER, NEW_FOLDER

if TYPE_CHECKING:
    import segmentation.prediction.segmentor


@click.command(**COMMAND)
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
@click.option("--encoder", help="Vision transformer, by timm's name.  [default: of the preset]")
@click.option("--weights", type=FILE, help="File of its weights.  [default: those of timm's hub]")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Any setting, as optimizer.steps=1000; may be repeated.",
)
@click.option("-o", "--output", type=NEW_FOLDER, help="Folder to write.  [default: runs/PRESET-TIME]")
@click.option("--resume", is_flag=True, help="Continue the run that is in the folder.")
@click.option("--overwrite", is_flag=True, help="Replace the run that is in the folder.")
@click.option("--init-from", type=FOLDER, help="Folder of a trained model to start from.")
@click.option(
    "--limit-time", type=click.FloatRange(0, min_open=True), help="Minutes after which the run is interrupted."
)
@click.option("--device", default="auto", help="Where to train: auto, cpu, cuda, cuda:1, ...")
def train(preset: str | None, output: Path | None, changes: tuple[str, ...], **options: Any) -> None:
    """Learn to segment photos from nothing but photos.

    Without arguments a small segmentor learns on generated scenes, in minutes, and is compared with the pseudo-masks
    that taught it. For your own photos: --preset photos --data FOLDER. With torchrun, the same command runs on several
    processes. A run that was interrupted (Ctrl-C) is continued with --resume.
    """
    if options["resume"] and options["overwrite"]:
        raise click.UsageError("--resume and --overwrite exclude each other")
    if options["resume"] and output is None:
        raise click.UsageError("--resume needs the folder of the run: -o FOLDER")
    import yaml

    from segmentation.training.step import NonFiniteLoss

    encoder, weights, time_limit = (options.pop(name) for name in ("encoder", "weights", "limit_time"))
    network = []
    if encoder is not None:
        network += [f"encoder.name={encoder}", "encoder.init=pretrained", "encoder.options={}"]
    if weights is not None:
        network += [f"encoder.weights={str(weights)!r}"]
    try:
        train_segmentor(preset, output, changes=[*network, *changes], time_limit=time_limit, **options)
    except (OSError, ValueError, TypeError, NonFiniteLoss, yaml.YAMLError) as error:
        raise click.ClickException(str(error)) from error


def train_segmentor(
    settings: TrainSettings | Path | str | None = None,
    folder: Path | str | None = None,
    *,
    photos: Sequence[Path | str] = (),
    changes: Sequence[str] = (),
    resume: bool = False,
    overwrite: bool = False,
    init_from: Path | str | None = None,
    time_limit: float | None = None,
    device: str = "auto",
    console: Console | None = None,
) -> "segmentation.prediction.segmentor.Segmentor | None":
    """Trains a segmentor without labels, as ``python -m segmentation.train`` does.

    Writes the model, checkpoints, the log and a page to look at. Ctrl-C and SIGTERM end the run after a checkpoint.

    Args:
        settings: name of a preset, a file of settings (``config.yaml``), or settings. By default those of the run that
            is resumed, else the preset ``photos`` where there are photos, else ``scenes``.
        folder: folder to write; ``runs/PRESET-TIME`` by default.
        photos: folders of photos to learn from.
        changes: changes of a preset's or file's settings, ``"section.key=value"`` each.
        resume: whether to continue the run that is in the folder.
        overwrite: whether to replace it.
        init_from: folder of a trained model to start from.
        time_limit: minutes after which the run stops, to be resumed later.
        device: where to train: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
        console: where progress and tables are shown, the terminal by default; ``Console(quiet=True)`` for none.

    Returns:
        The trained segmentor; ``None`` if the run was interrupted before its end.

    Raises:
        FileExistsError: the folder has a run, and neither ``resume`` nor ``overwrite``.
        OSError, TypeError, ValueError: arguments, settings or photos that cannot be used.
        NonFiniteLoss: the loss is no number any more.
    """
    from segmentation.base.device import choose_device
    from segmentation.evaluation.train_report import write_report
    from segmentation.models.files import SETTINGS_FILE, load_settings
    from segmentation.prediction.segmentor import Segmentor
    from segmentation.training.distributed import Processes
    from segmentation.training.run import TrainRun

    began = time.monotonic()
    if resume and (overwrite or folder is None):
        raise ValueError("'resume' needs the folder of the run, and excludes 'overwrite'")
    if settings is None and photos:
        settings = "photos"
    name = settings if isinstance(settings, str) else "training" if settings else "scenes"
    folder = Path(f"runs/{name}-{time.strftime('%Y%m%d-%H%M%S')}" if folder is None else folder)
    init_from = None if init_from is None else Path(init_from)
    folders = [str(photo) for photo in photos]
    if isinstance(settings, TrainSettings):
        if changes:
            raise ValueError("'changes' are of a preset or a file of settings, got TrainSettings")
        chosen = replace(settings, run=replace(settings.run, photos=tuple(folders))) if photos else settings
    elif resume and settings is None and not changes:
        if not (folder / SETTINGS_FILE).exists():
            raise FileNotFoundError(f"'{folder}' has no run to resume: there is no {SETTINGS_FILE}")
        chosen = load_settings(folder)
    else:
        chosen = load_training(settings or "scenes", [*([f"run.photos={folders}"] if photos else []), *changes])
    with closing(Processes.start(choose_device(device))) as processes:
        run = TrainRun(
            chosen,
            folder,
            processes,
            console or Console(highlight=False, soft_wrap=True),
            resume=resume,
            overwrite=overwrite,
            init_from=init_from,
            limit=None if time_limit is None else 60 * time_limit,
        )
        if not run.train():
            return None
        if processes.is_main:
            write_report(run, init_from, seconds=time.monotonic() - began)
        return Segmentor(run.train_step.teacher.model, run.settings, device=processes.device)


if __name__ == "__main__":
    sys.exit(train.main(prog_name="python -m segmentation.train"))
