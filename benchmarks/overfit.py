"""Checks that a student can learn the masks and clusters of four scenes by heart: ``python -m benchmarks.overfit``."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import click
import torch

from benchmarks.record import Record, Row, print_table
from benchmarks.run import Run, benchmark_options
from segmentation.config import TrainSettings, load_training
from segmentation.training.batches import TrainBatches
from segmentation.training.distributed import Processes
from segmentation.training.run import first_student
from segmentation.training.step import TrainStep

MARK = 0.9  # of overlap and agreement
LAST = 10  # steps that figures are averaged over
FOUR_SCENES = (
    "run.scenes=4",
    "run.fixed_views=1",
    "run.workers=0",
    "optimizer.batch_size=4",
    "optimizer.warmup=20",
    "views.local_views=0",
    "views.flip=0",
    "views.jitter=0",
    "views.grey=0",
    "views.blur=0",
    "losses.points=1024",  # fewer tell little about the overlap of segments of a few tokens
)
QUICK = ("optimizer.steps=3", "decoder.layers=1")


@dataclass(frozen=True)
class Variant:
    """A training: changes to the settings, the number of steps among them."""

    name: str
    changes: tuple[str, ...]


VARIANTS = (
    Variant("encoder frozen: segments stay as they are", ("encoder.freeze=true", "optimizer.steps=300")),
    Variant("everything trained: segments move with the teacher", ("optimizer.steps=600",)),
)
_COLUMNS = {
    "variant": "",
    "steps": "steps",
    "minutes": "minutes",
    "segments": "segments/photo",
    "overlap": "IoU",
    "agreement": "same cluster",
    "largest_cluster": "largest cluster",
    "clusters_used": "clusters used",
    "reached": "reached at step",
}


def learn_by_heart(variant: Variant, settings: TrainSettings, device: torch.device) -> Row:
    """Trains to the last step and averages the figures of the last ten.

    Returns:
        ``overlap``: mean IoU of matched queries and segments; ``agreement``: share of them with the same most likely
        cluster; ``largest_cluster``: agreement that a constant prediction would reach; ``reached``: the step from which
        on both were above the mark.
    """
    parts = TrainStep(first_student(settings), settings, Processes(device))
    began = time.perf_counter()
    figures = [parts.learn(samples, step).figures for step, samples in enumerate(TrainBatches(settings).starting_at(0))]
    last = {name: statistics.mean(row[name] for row in figures[-LAST:]) for name in figures[-1]}
    return {
        "variant": variant.name,
        "steps": len(figures),
        "minutes": (time.perf_counter() - began) / 60,
        **{name: last[name] for name in ("segments", "overlap", "agreement")},
        "largest_cluster": float(parts.monitor.mean.max()),
        "clusters_used": last["clusters_used"],
        "reached": reached([min(row["overlap"], row["agreement"]) for row in figures]),
    }


def reached(values: Sequence[float]) -> int | None:
    """Returns the step from which on all values are at the mark, None if the last one is not."""
    missed = [step for step, value in enumerate(values) if value < MARK]
    start = missed[-1] + 1 if missed else 0
    return start if start < len(values) else None


@click.command()
@benchmark_options
def overfit(run: Run) -> None:
    """Four fixed scenes, the same views again and again: masks and clusters must be learned by heart.

    Fails if they are not.
    """
    run.begin()
    record = Record("overfit", run, {"repeats": 1, "mark": MARK})
    for variant in VARIANTS:
        changes = [*FOUR_SCENES, f"run.seed={run.seed}", *variant.changes, *(QUICK if run.quick else ())]
        record.add(learn_by_heart(variant, load_training("scenes", changes), run.device))
    print_table(f"Last {LAST} steps on four scenes", record.rows, _COLUMNS)
    record.write_json()
    missed = [row["variant"] for row in record.rows if min(row["overlap"], row["agreement"]) < MARK]
    if missed and not run.quick:
        raise click.ClickException(f"below {MARK}: {'; '.join(missed)}")


if __name__ == "__main__":
    overfit()
