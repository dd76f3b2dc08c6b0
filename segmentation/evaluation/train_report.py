"""Reports a finished training: a table of scores on generated scenes, and a page with pictures and curves."""

from collections.abc import Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from rich.table import Table

from segmentation.config.load import to_yaml
from segmentation.evaluation.scene_exam import SceneExam, SceneScores, pooled_masks
from segmentation.export.training_page import write_training_page
from segmentation.prediction.queries import predicted_masks
from segmentation.teaching.teacher import Teacher
from segmentation.training.log import read_log
from segmentation.training.run import TrainRun, first_student

PAGE = "index.html"
_PICTURES = 3


def write_report(run: TrainRun, init_from: Path | None, *, seconds: float) -> None:
    """Writes ``index.html``, and prints a table of scores if the run was on generated scenes.

    Args:
        run: finished run.
        init_from: folder of the model that the student started from, if any.
        seconds: duration of the run in this process.
    """
    settings, folder = run.settings, run.folder
    table = None
    notes = [f"{run.step} steps of {settings.optimizer.batch_size} photos, {run.batches.photos} photos in all."]
    if not settings.run.photos:
        table = _scene_table(run, init_from)
        _print(run, *table)
        notes.append(
            "Scores in percent on 96 scenes that nothing was trained on. Clusters are mapped to classes, and the "
            "confidence of panoptic segments is chosen, on 48 others. AP is class-agnostic."
        )
    write_training_page(
        folder / PAGE,
        title=f"Training of {folder.name}",
        settings_yaml=to_yaml(settings),
        table=table,
        log=read_log(folder),
        pictures=_pictures(folder),
        notes=notes,
    )
    run.console.print(f"{run.step} steps in {seconds / 60:.1f} min: {folder / PAGE}", markup=False, soft_wrap=True)


def _scene_table(run: TrainRun, init_from: Path | None) -> tuple[Sequence[str], list[list[str]]]:
    settings, device = run.settings, run.processes.device
    exam = SceneExam(settings.masks, settings.views.size, settings.head.clusters, device)
    start, end = Teacher(first_student(settings, init_from), settings).to(device), run.train_step.teacher
    finders = {
        "OAP pseudo-masks, at the start": partial(pooled_masks, start),
        "OAP pseudo-masks, at the end": partial(pooled_masks, end),
        "student, at the start": partial(predicted_masks, start.model, settings=settings),
        "student, at the end": partial(predicted_masks, end.model, settings=settings),
    }
    scores = run.train_step.threads.map(exam.scores, finders.values())
    rows = [[name, *(f"{score:.1f}" for score in own.row())] for name, own in zip(finders, scores, strict=True)]
    return ["", *(field.name for field in fields(SceneScores))], rows


def _print(run: TrainRun, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(title="held-out scenes, %", title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left")
    for row in rows:
        table.add_row(*row)
    run.console.print(table)


def _pictures(folder: Path) -> list[tuple[str, np.ndarray]]:
    """Loads the first, a middle and the last panel."""
    paths = sorted((folder / "panels").glob("*.png"))
    places = sorted({round(place) for place in np.linspace(0, len(paths) - 1, min(_PICTURES, len(paths)))})
    return [(f"After step {int(paths[place].stem)}.", np.array(Image.open(paths[place]))) for place in places]
