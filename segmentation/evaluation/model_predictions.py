"""Predicts the photos of a data set with a trained model."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import click

from segmentation.base.wording import counted, some_of
from segmentation.data.photos import PhotoList
from segmentation.evaluation.request import Model
from segmentation.runs.predict_run import PredictRun
from segmentation.runs.run_plan import RunPlan, find_run_photos

_FORMATS = {"instance": "coco", "semantic": "semantic", "panoptic": "panoptic"}


@contextmanager
def predictions_of(model: Model, photos: Path, names: Sequence[str], tasks: Sequence[str]) -> Iterator[Path]:
    """Yields a folder of a model's predictions, as ``segmentation.predict`` writes them.

    In the model's ``output`` folder an interrupted run is continued. Without one predictions are deleted afterwards.

    Args:
        model: the model.
        photos: folder of photos.
        names: names of the photos that are needed, all of them.
        tasks: tasks that predictions are needed for.

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
    plan = RunPlan(
        given=[photos],
        photos=_select(find_run_photos([photos], output), photos, names),
        output=output,
        formats=tuple(_FORMATS[task] for task in tasks),
        device=model.device,
        max_photos_in_page=1,
        resume=True,
    )
    run = PredictRun(plan, model.folder, model.settings, recorded={"photos": str(photos), **model.settings})
    if not run.process():
        raise click.Abort
    run.finish()
    if run.skipped:
        reasons = [f"{name} ({reason})" for name, reason in run.skipped.items()]
        raise ValueError(f"{counted(len(reasons), 'photo')} cannot be read: {some_of(reasons)}")
    return output


def _select(found: PhotoList, folder: Path, names: Sequence[str]) -> PhotoList:
    """Selects the photos of the given names, by the whole name or its last part."""
    by_name = {photo.name: photo for photo in found}
    by_last_part = {PurePosixPath(photo.name).name: photo for photo in found}
    chosen = {name: by_name.get(name) or by_last_part.get(PurePosixPath(name).name) for name in names}
    missing = [name for name, photo in chosen.items() if photo is None]
    if missing:
        raise ValueError(
            f"{counted(len(missing), 'photo')} of the ground truth not in '{folder}' (--photos): {some_of(missing)}"
        )
    wanted = {photo.path for photo in chosen.values() if photo is not None}
    return PhotoList([photo for photo in found if photo.path in wanted], found.ignored, found.unreadable)
