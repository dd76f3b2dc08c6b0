"""Trains on generated scenes, one thing changed at a time; scores the student's own masks and those that teach it."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from benchmarks.photo_keys import chosen
from benchmarks.record import Record, Row, print_table
from benchmarks.run import Run, benchmark_options
from benchmarks.teaching_variants import VARIANTS, Variant
from segmentation.config import load_training
from segmentation.config.training import TrainSettings
from segmentation.data.views import Sample
from segmentation.evaluation.scene_exam import SceneExam, pooled_masks
from segmentation.models.files import save_model
from segmentation.models.universal_model import UniversalModel
from segmentation.prediction.queries import QueryMasks, predicted_masks
from segmentation.teaching.teacher import Teacher
from segmentation.training.distributed import Processes
from segmentation.training.run import TrainRun

_COLUMNS = {
    "variant": "training",
    "seed": "seed",
    "steps": "of steps",
    "step": "step",
    "masks": "masks",
    "AP": "AP",
    "AP50": "AP50",
    "AR100": "AR100",
    "mIoU": "mIoU",
    "PQ": "PQ",
}


def own_masks(model: UniversalModel, pixels: Any, settings: TrainSettings) -> list[QueryMasks]:
    """Returns the decoder's masks as they are, ranked as the product ranks snapped ones."""
    unsnapped = replace(settings, masks=replace(settings.masks, snap=None, snap_overlap=None))
    return predicted_masks(model, pixels, unsnapped)


def bare_masks(model: UniversalModel, pixels: Any, settings: TrainSettings) -> list[QueryMasks]:
    """Returns the decoder's masks as they are, ranked by objectness and confidence alone."""
    return [replace(found, geometry=None, thingness=None) for found in own_masks(model, pixels, settings)]


def finders(teacher: Teacher, settings: TrainSettings) -> dict[str, Any]:
    """Names what is scored: the segments that teach, and the student's masks, raw and as it predicts them."""
    model = teacher.model
    return {
        "taught": partial(pooled_masks, teacher),
        "own": partial(own_masks, model, settings=settings),
        "own, ranked by objectness": partial(bare_masks, model, settings=settings),
        "snapped": partial(predicted_masks, model, settings=settings),
    }


def train(variant: Variant, seed: int, steps: int, at: Sequence[int], run: Run, folder: Path, record: Record) -> None:
    """Trains a variant, and adds the scores at the given steps to the record."""
    asked = [f"optimizer.steps={steps}", f"run.seed={seed}", f"run.panels_every={steps}", f"run.save_every={steps}"]
    asked.append(f"optimizer.accumulate={min(run.threads, 2)}")  # parts of a batch pay where threads share them
    settings = load_training("scenes", [*asked, *variant.changes])
    training = TrainRun(settings, folder, Processes(run.device), Console(quiet=True))
    if variant.change is not None:
        variant.change(training.train_step)
    exam = SceneExam(settings.masks, settings.views.size, settings.head.clusters, run.device)
    learn, began = training.train_step.learn, time.monotonic()
    paused = 0.0

    def learn_and_score(samples: Sequence[Sample], step: int) -> Any:
        nonlocal paused
        report = learn(samples, step)
        if step + 1 in at:
            start = time.monotonic()
            minutes = (start - began - paused) / 60
            for masks, find in finders(training.train_step.teacher, settings).items():
                scores = asdict(exam.scores(find))
                about = {"variant": variant.name, "seed": seed, "steps": steps, "step": step + 1, "masks": masks}
                figures = {"overlap": report.figures["overlap"], "minutes": minutes}
                record.add({**about, **scores, **figures})
            record.write_json()
            save_model(folder / f"step-{step + 1}", training.train_step.teacher.model.state_dict(), settings)
            paused += time.monotonic() - start
        return report

    training.train_step.learn = learn_and_score  # type: ignore[method-assign]
    training.train()


def _training_of(row: Row) -> tuple[str, int, int]:
    return row["variant"], row["seed"], row["steps"]


@click.command()
@click.option("--only", multiple=True, help="Trainings whose name has this in it.")
@click.option("--seeds", default="0", show_default=True, help="Seeds, with commas between them.")
@click.option("--steps", default=850, show_default=True, type=click.IntRange(1), help="Steps of each training.")
@click.option("--at", help="Steps after which masks are scored, with commas.  [default: the last]")
@click.option("--folder", required=True, type=click.Path(path_type=Path), help="Folder of the trained models.")
@click.option("--resume", is_flag=True, help="Keep the rows of the file, and leave out the trainings that it has.")
@benchmark_options
def teaching(
    run: Run, only: tuple[str, ...], seeds: str, steps: int, at: str | None, folder: Path, resume: bool
) -> None:
    """The student's own masks against those that teach it, on 96 scenes that nothing was trained on."""
    run.begin()
    steps = 2 if run.quick else steps
    when = sorted({*map(int, at.split(",")), steps}) if at and not run.quick else [steps]
    record = Record("teaching", run)
    if resume:
        record.take_earlier()
    done = {_training_of(row) for row in record.rows if row["step"] == row["steps"]}
    record.rows = [row for row in record.rows if _training_of(row) in done]
    for variant in chosen(VARIANTS, only):
        for seed in map(int, seeds.split(",")):
            if (variant.name, seed, steps) in done:
                continue
            name = "".join(letter if letter.isalnum() else "-" for letter in variant.name)
            train(variant, seed, steps, when, run, folder / f"{name}-{steps}-{seed}", record)
    print_table("Scenes that nothing was trained on, in percent", record.rows, _COLUMNS)
    record.write_json()


if __name__ == "__main__":
    teaching()
