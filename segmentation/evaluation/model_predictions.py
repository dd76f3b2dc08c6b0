"""Predictions of a trained model for the photos of a data set."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import click
from rich.console import Console

from segmentation.base.wording import counted, some_of
from segmentation.data.photos import PhotoList
from segmentation.evaluation.request import Model
from segmentation.prediction.segmentor import Segmentor
from segmentation.runs.predict_run import PredictRun
from segmentation.runs.run_command import photos_to_do, run_plan

FORMATS = {"instance": "coco", "semantic": "semantic", "panoptic": "panoptic"}


@contextmanager
def predictions_of(model: Model, photos: Path, names: Sequence[str], tasks: Sequence[str]) -> Iterator[Path]:
    """A folder with the predictions of a model, as ``segmentation.predict`` writes them.

    A run in the model's ``output`` folder that was interrupted goes on. Without such a folder they are gone afterwards.

    Args:
        model: the model.
        photos: folder of photos.
        names: of those that are needed, all of them.
        tasks: what is needed.

    Raises:
        ValueError: photos that are missing or cannot be read, or a folder with another run's predictions.
        FileNotFoundError: no model.
    """
    if model.output is not None:
        yield _predict(model, photos, names, tasks, model.output)
        return
    with tempfile.TemporaryDirectory(prefix="segmentation-") as folder:
        yield _predict(model, photos, names, tasks, Path(folder))


def _predict(model: Model, photos: Path, names: Sequence[str], tasks: Sequence[str], output: Path) -> Path:
    found = _chosen(photos_to_do([photos], output), photos, names)
    segmentor = Segmentor.from_pretrained(model.folder, model.device, **model.settings)
    options = {
        "dtype": "auto",
        "formats": tuple(FORMATS[task] for task in tasks),
        "resume": True,
        "overwrite": False,
        "batch_size": 8,
        "max_photos_in_page": 1,
    }
    asked = {"model": model.folder.resolve().name, "photos": str(photos), **dict(model.settings)}
    run = PredictRun(
        segmentor, run_plan([photos], found, output, asked, options), Console(stderr=True, highlight=False)
    )
    if not run.process():
        raise click.Abort
    run.finish()
    if run.skipped:
        reasons = [f"{name} ({reason})" for name, reason in run.skipped.items()]
        raise ValueError(f"{counted(len(reasons), 'photo')} cannot be read: {some_of(reasons)}")
    return output


def _chosen(found: PhotoList, folder: Path, names: Sequence[str]) -> PhotoList:
    """The photos of the given names: whole ones, or their last parts."""
    whole = {photo.name: photo for photo in found}
    last = {PurePosixPath(photo.name).name: photo for photo in found}
    chosen = {name: whole.get(name) or last.get(PurePosixPath(name).name) for name in names}
    missing = [name for name, photo in chosen.items() if photo is None]
    if missing:
        raise ValueError(
            f"{counted(len(missing), 'photo')} of the ground truth not in '{folder}' (--photos): {some_of(missing)}"
        )
    wanted = {photo.path for photo in chosen.values() if photo is not None}
    return PhotoList([photo for photo in found if photo.path in wanted], found.ignored, found.unreadable)
