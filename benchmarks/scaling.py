"""How Online Agglomerative Pooling scales with tokens, photos and channels, and training with processes.

The arithmetic floor drawn in, of whatever makes the affinity of all tokens, is one product F F^T of each photo, timed
in the same run.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import torch

from benchmarks.inputs import region_features
from benchmarks.isolate import Failed, in_fresh_process
from benchmarks.memory import peak_extra_bytes
from benchmarks.record import Record, Row, print_table
from benchmarks.run import Run, benchmark_options
from benchmarks.scaling_figure import draw
from benchmarks.timing import measure
from benchmarks.train_processes import images_per_second
from graphpool import OnlineAgglomerativePooling, grid_graph

_COLUMNS = {
    "axis": "over",
    "side": "side",
    "photos": "photos",
    "channels": "channels",
    "product_ms": "F F^T, ms",
    "instance_ms": "instance, ms",
    "semantic_ms": "and semantic, ms",
    "features_ms": "features only, ms",
    "instance_ratio": "instance / F F^T",
    "peak_mib": "peak, MiB",
    "repeats": "repeats",
}


class Size(NamedTuple):
    """So many photos of ``side * side`` tokens with so many channels, in one call."""

    side: int
    photos: int
    channels: int


def sizes(quick: bool) -> Iterator[tuple[str, Size]]:
    """What is varied, one thing at a time."""
    side, channels = (6, 16) if quick else (28, 384)
    for each in (4, 6) if quick else (14, 20, 28, 40, 56, 80, 112):
        yield "tokens", Size(each, 1, channels)
    for each in (1, 2) if quick else (1, 2, 4, 8, 16, 32):
        yield "photos", Size(side, each, channels)
    for each in (8, 16) if quick else (48, 96, 192, 384, 768, 1536):
        yield "channels", Size(side, 1, each)


def tokens_of(size: Size, run: Run) -> torch.Tensor:
    """Unit tokens, ``[photos, tokens, channels]``."""
    generator = run.begin()
    photos = [region_features(size.side, size.side, size.channels, generator) for _ in range(size.photos)]
    return torch.stack(photos).to(run.device)


class Pooling:
    """The calls that are timed, on one input."""

    def __init__(self, size: Size, run: Run) -> None:
        self.tokens = tokens_of(size, run)
        self.edges = grid_graph(size.side, size.side, size.photos, device=run.device)
        self.batch = torch.arange(size.photos, device=run.device).repeat_interleave(size.side**2)

    def product(self) -> object:
        """F F^T of every photo."""
        return self.tokens @ self.tokens.transpose(1, 2)

    def pool(self, layer: OnlineAgglomerativePooling) -> object:
        """All levels of all photos."""
        return layer(self.tokens.flatten(0, 1), self.edges, self.batch)


def cost_row(axis: str, size: Size, run: Run) -> Row:
    """Times of one size, and the peak memory of the whole of it in a process of its own."""
    pooling = Pooling(size, run)
    instance, whole = OnlineAgglomerativePooling(semantic=False), OnlineAgglomerativePooling()
    features = OnlineAgglomerativePooling(feature_weight=1, features="mean", semantic=False)
    timings = measure(
        {
            "product": pooling.product,
            "instance": lambda: pooling.pool(instance),
            "semantic": lambda: pooling.pool(whole),
            "features": lambda: pooling.pool(features),
        },
        run.device,
        run.repeats,
    )
    peak = in_fresh_process(_peak, size, run)
    if isinstance(peak, Failed):
        raise click.ClickException(f"{size}: memory could not be measured: {peak.message}")
    return {
        "table": "pooling",
        "axis": axis,
        **size._asdict(),
        **{f"{name}_ms": timing.ms for name, timing in timings.items()},
        "instance_ratio": timings["instance"].seconds / timings["product"].seconds,
        "peak_mib": None if peak is None else peak / 2**20,
        "affinity_mib": 4 * size.photos * size.side**4 / 2**20,
        "repeats": timings["instance"].repeats,
    }


def _peak(size: Size, run: Run) -> int | None:
    pooling, whole = Pooling(size, run), OnlineAgglomerativePooling()
    pooling.pool(whole)
    return peak_extra_bytes(lambda: pooling.pool(whole), run.device)


def training_rows(processes: tuple[int, ...], steps: int, changes: tuple[str, ...]) -> Iterator[Row]:
    """Photos a second of preset ``scenes`` over numbers of processes, one thread each."""
    first: float | None = None
    for count in processes:
        with tempfile.TemporaryDirectory() as folder:
            try:
                speed = images_per_second(count, steps, changes, Path(folder))
            except RuntimeError as error:
                raise click.ClickException(str(error)) from error
        first = first or speed
        yield {"table": "training", "processes": count, "images_per_second": speed, "speedup": speed / first}


@click.command()
@click.option("--processes", multiple=True, default=(1, 2), show_default=True, type=click.IntRange(1), help="To train.")
@click.option("--steps", default=40, show_default=True, type=click.IntRange(4), help="Of each training.")
@click.option("--part", default="both", show_default=True, type=click.Choice(["pooling", "training", "both"]))
@benchmark_options
def scaling(run: Run, processes: tuple[int, ...], steps: int, part: str) -> None:
    """Time and memory of pooling over tokens, photos and channels; photos a second of training over processes."""
    run.begin()
    record = Record("scaling", run, {"steps": steps})
    if part != "training":
        for axis, size in sizes(run.quick):
            record.add(cost_row(axis, size, run))
    if part != "pooling":
        changes = ("optimizer.batch_size=2", "decoder.layers=1") if run.quick else ()
        for row in training_rows(processes, 4 if run.quick else steps, changes):
            record.add(row)
    pooling = [row for row in record.rows if row["table"] == "pooling"]
    training = [row for row in record.rows if row["table"] == "training"]
    print_table("Online Agglomerative Pooling, five levels", pooling, _COLUMNS)
    columns = {"processes": "processes", "images_per_second": "photos/s", "speedup": "speed-up"}
    print_table("Training, preset scenes", training, columns)
    record.write_json()
    draw(pooling, training, run)


if __name__ == "__main__":
    scaling()
