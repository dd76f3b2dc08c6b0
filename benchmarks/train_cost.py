"""Measures time and memory of the stages of a training step: ``python -m benchmarks.train_cost``."""

import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import click
import torch

from benchmarks.record import Record, Row, print_table
from benchmarks.run import Run, benchmark_options
from benchmarks.timing import stopwatch
from segmentation.base.device import StageCosts
from segmentation.config import TrainSettings, load_training, preset_names
from segmentation.data.views import Sample
from segmentation.training.batches import TrainBatches
from segmentation.training.distributed import Processes
from segmentation.training.run import first_student
from segmentation.training.step import StepReport, TrainStep

WARM_UP = 2  # steps
WHOLE, REST = "whole step", "rest"
# keys of random weights are much alike: not centred, they would all be one segment, and there were nothing to learn
RANDOM_WEIGHTS = ("encoder.init=random", "masks.center=graph")
GENERATED = ("run.scenes=64",)
QUICK = ("views.size=112", "views.local_size=56", "optimizer.batch_size=2")
_COLUMNS = {
    "stage": "stage",
    "ms": "ms",
    "images_per_second": "images/s",
    "share": "share",
    "peak_mib": "peak, MiB",
}


@dataclass(frozen=True)
class Measured:
    """Measurements of one step.

    Attributes:
        seconds: seconds of the whole step.
        stages: seconds of each stage, summed over the step.
        peak: peak memory of each stage in bytes, see :class:`~segmentation.base.device.StageCosts`.
        segments: number of segments that the teacher found per photo.
    """

    seconds: float
    stages: dict[str, float]
    peak: dict[str, int]
    segments: float


def measured_steps(settings: TrainSettings, device: torch.device, steps: int) -> Iterator[Measured]:
    """Yields the steps after the warm-up; their photos are read and cropped in between, outside of the measurement."""
    parts = TrainStep(first_student(settings), settings, Processes(device))
    for number, samples in enumerate(islice(TrainBatches(settings).starting_at(0), WARM_UP + steps)):
        measured = measured_step(parts, samples, number)
        if number >= WARM_UP:
            yield measured


def measured_step(parts: TrainStep, samples: Sequence[Sample], number: int) -> Measured:
    """Learns from a batch and returns what it cost."""
    device = parts.processes.device
    parts.costs = StageCosts(device)
    reports: list[StepReport] = []
    seconds = stopwatch(lambda: reports.append(parts.learn(samples, number)), device)
    return Measured(seconds, parts.costs.seconds, parts.costs.peak, reports[0].figures["segments"])


def rows_of(steps: Sequence[Measured], batch_size: int, load: float) -> list[Row]:
    """Returns medians of every stage, of the time between them, and of the whole step, with the highest peaks.

    Args:
        steps: at least one step.
        batch_size: photos of each step.
        load: load of the machine before them, in processes.
    """
    whole = statistics.median(step.seconds for step in steps)
    seconds = {stage: statistics.median(step.stages[stage] for step in steps) for stage in steps[0].stages}
    seconds[REST] = statistics.median(step.seconds - sum(step.stages.values()) for step in steps)
    peaks = {stage: max(step.peak[stage] for step in steps) for stage in steps[0].peak}
    peaks[WHOLE] = max(peaks.values())
    return [
        {
            "stage": stage,
            "ms": 1000 * took,
            "images_per_second": batch_size / took,
            "share": took / whole,
            "peak_mib": peaks[stage] / 2**20 if stage in peaks else None,
            "batch_size": batch_size,
            "segments": statistics.median(step.segments for step in steps),
            "load": load,
        }
        for stage, took in {**seconds, WHOLE: whole}.items()
    ]


def settings_of(preset: str, weights: Path | None, photos: Path | None, changes: Sequence[str]) -> TrainSettings:
    """Those of the preset, with what it needs to be run here."""
    encoder = RANDOM_WEIGHTS if weights is None else (f"encoder.weights={str(weights)!r}",)
    source = GENERATED if photos is None else (f"run.photos=[{str(photos)!r}]",)
    return load_training(preset, [*encoder, *source, "run.workers=0", *changes])


@click.command()
@click.option("--preset", type=click.Choice(preset_names()), default="scenes", show_default=True)
@click.option("--steps", type=click.IntRange(1), default=7, show_default=True, help="Steps measured, after two others.")
@click.option(
    "--weights", type=click.Path(exists=True, path_type=Path), help="Of the encoder; random ones without, and centred."
)
@click.option("--photos", type=click.Path(exists=True, path_type=Path), help="Folder; generated scenes without.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Any setting, as optimizer.batch_size=1.")
@benchmark_options
def train_cost(
    run: Run, preset: str, steps: int, weights: Path | None, photos: Path | None, changes: tuple[str, ...]
) -> None:
    """Images a second and peak memory of each stage of a training step."""
    run.begin()
    try:
        settings = settings_of(preset, weights, photos, [*(QUICK if run.quick else ()), *changes])
    except (TypeError, ValueError, OSError) as error:
        raise click.UsageError(str(error)) from error
    circumstances = {
        "repeats": steps,
        "warm_up": WARM_UP,
        "preset": preset,
        "weights": "random, centred" if weights is None else weights.name,
        "photos": "generated scenes" if photos is None else photos.name,
    }
    record = Record("train_cost", run, circumstances)
    load = os.getloadavg()[0]  # of others: of this benchmark there is none yet
    found = list(measured_steps(settings, run.device, steps))
    for row in rows_of(found, settings.optimizer.batch_size, load):
        record.add(row)
    segments = record.rows[0]["segments"]
    title = f"One step of {preset} on {settings.optimizer.batch_size} photos of {segments:.0f} segments"
    print_table(title, record.rows, _COLUMNS)
    record.write_json()


if __name__ == "__main__":
    train_cost()
