"""Trains on generated scenes, one thing changed at a time; scores the student's own masks and those that teach it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import click
from rich.console import Console
from torch import Tensor

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
from segmentation.training.checkpoint import CHECKPOINT
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


def own_masks(model: UniversalModel, pixels: Tensor, settings: TrainSettings) -> list[QueryMasks]:
    """Returns the decoder's masks as they are, ranked as the product ranks snapped ones."""
    unsnapped = replace(settings, masks=replace(settings.masks, snap=None, snap_overlap=None))
    return predicted_masks(model, pixels, unsnapped)


def bare_masks(model: UniversalModel, pixels: Tensor, settings: TrainSettings) -> list[QueryMasks]:
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
    """Trains a variant, or goes on with its training, and adds the scores at the given steps to the record."""
    asked = [f"optimizer.steps={steps}", f"run.seed={seed}", f"run.panels_every={steps}"]
    asked.append(f"optimizer.accumulate={min(run.threads, 2)}")  # parts of a batch pay where threads share them
    settings = load_training("scenes", [*asked, *variant.changes])
    resume = (folder / CHECKPOINT).exists()
    training = TrainRun(settings, folder, Processes(run.device), Console(quiet=True), resume=resume)
    if variant.change is not None:
        variant.change(training.train_step)
    exam = SceneExam(settings.masks, settings.views.size, settings.head.clusters, run.device)
    learn = training.train_step.learn
    overlaps: deque[float] = deque(maxlen=50)

    def learn_and_score(samples: Sequence[Sample], step: int) -> Any:
        report = learn(samples, step)
        overlaps.append(report.figures["overlap"])
        if step + 1 in at:
            for masks, find in finders(training.train_step.teacher, settings).items():
                scores = asdict(exam.scores(find))
                about: Row = {"variant": variant.name, "seed": seed, "steps": steps, "step": step + 1, "masks": masks}
                record.rows = [row for row in record.rows if about != {name: row[name] for name in about}]
                record.add({**about, **scores, "overlap": fmean(overlaps)})
            record.write_json()
            save_model(folder / f"step-{step + 1}", training.train_step.teacher.model.state_dict(), settings)
        return report

    training.train_step.learn = learn_and_score  # type: ignore[method-assign]
    if not training.train():
        raise click.ClickException(f"stopped after step {training.step} of {variant.name}; go on with --resume")


@click.command()
@click.option("--only", multiple=True, help="Trainings whose name has this in it.")
@click.option("--seeds", default="0", show_default=True, help="Seeds, with commas between them.")
@click.option("--steps", default=850, show_default=True, type=click.IntRange(1), help="Steps of each training.")
@click.option("--at", help="Steps after which masks are scored, with commas.  [default: the last]")
@click.option("--folder", required=True, type=click.Path(path_type=Path), help="Folder of the trained models.")
@click.option("--resume", is_flag=True, help="Go on with trainings that stopped, leave out those that ended.")
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
    done = {(row["variant"], row["seed"], row["steps"]) for row in record.rows if row["step"] == row["steps"]}
    for variant in chosen(VARIANTS, only):
        for seed in map(int, seeds.split(",")):
            if (variant.name, seed, steps) in done:
                continue
            name = "".join(letter if letter.isalnum() else "-" for letter in variant.name)
            own = folder / f"{name}-{steps}-{seed}"
            if not resume:
                (own / CHECKPOINT).unlink(missing_ok=True)
            train(variant, seed, steps, when, run, own, record)
    print_table("Scenes that nothing was trained on, in percent", record.rows, _COLUMNS)
    record.write_json()


if __name__ == "__main__":
    teaching()
