"""Runs short trainings on generated scenes with one thing changed at a time."""

import tempfile
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.record import Row
from benchmarks.run import Run
from benchmarks.teaching_variants import Variant, by_first_encoder
from segmentation.config import load_training
from segmentation.evaluation.scene_exam import SceneExam
from segmentation.prediction.queries import predicted_masks
from segmentation.training.distributed import Processes
from segmentation.training.run import TrainRun

VARIANTS = (
    Variant("preset scenes: one local and one global view, online masks, K = 64"),
    Variant("K = 128", ["head.clusters=128"]),
    Variant("K = 512", ["head.clusters=512"]),
    Variant("K = 1024", ["head.clusters=1024"]),
    Variant("two local views, no global one", ["views.local_views=2", "views.global_views=0"]),
    Variant("offline masks", change=by_first_encoder),
)


def trained_row(variant: Variant, steps: int, run: Run) -> Row:
    """Trains, and scores the predicted masks on scenes that nothing was trained on."""
    asked = [f"optimizer.steps={steps}", f"run.seed={run.seed}", f"run.panels_every={steps}", f"run.save_every={steps}"]
    settings = load_training("scenes", [*asked, *variant.changes])
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        training = TrainRun(settings, Path(folder) / "run", Processes(run.device), Console(quiet=True))
        if variant.change is not None:
            variant.change(training.train_step)
        training.train()
    minutes = (time.monotonic() - began) / 60
    exam = SceneExam(settings.masks, settings.views.size, settings.head.clusters, run.device)
    scores = exam.scores(partial(predicted_masks, training.train_step.teacher.model, settings=settings))
    return {"table": "training", "choice": variant.name, **asdict(scores), "steps": steps, "minutes": minutes}
