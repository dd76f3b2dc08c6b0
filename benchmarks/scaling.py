"""Measures how Online Agglomerative Pooling scales with tokens, photos and channels, and training with processes.

The arithmetic floor that is drawn, of whatever makes the affinity of all tokens, is one product F F^T of each photo,
timed in the same run.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click
import torch

from benchmarks.figure import COLOURS, drawn_to
from benchmarks.inputs import region_features
from benchmarks.isolate import Failed, in_fresh_process
from benchmarks.memory import peak_extra_bytes
from benchmarks.record import Record, Row, print_table
from benchmarks.run import Run, benchmark_options
from benchmarks.timing import measure
from graphpool import OnlineAgglomerativePooling, grid_graph

_CURVES = {
    "semantic_ms": ("five levels, with semantic ones", COLOURS[1]),
    "instance_ms": ("five levels", COLOURS[0]),
    "features_ms": ("five levels, features only", COLOURS[2]),
}
_PLACES: dict[str, Callable[[Row], float]] = {
    "tokens": lambda row: row["side"] ** 2,
    "photos": lambda row: row["photos"],
    "channels": lambda row: row["channels"],
}
_ROOT = Path(__file__).parents[1]
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


def draw(pooling: Sequence[Row], training: Sequence[Row], run: Run) -> None:
    """Draws time over each varied size with the floor, memory over tokens, and training speed over processes."""
    if run.plot_file is None:
        return
    with drawn_to(run.plot_file, 5, (18, 3.6)) as panels:
        for axes, (axis, place) in zip(panels, _PLACES.items(), strict=False):
            rows = [row for row in pooling if row["axis"] == axis]
            places = [place(row) for row in rows]
            floor = [row["product_ms"] for row in rows]
            axes.plot(places, floor, "--", color="black", label="floor: one product F Fᵀ")
            for key, (label, colour) in _CURVES.items():
                axes.plot(places, [row[key] for row in rows], "o-", markersize=4, color=colour, label=label)
            axes.set(xlabel=axis, ylabel="ms")
            if rows:
                axes.set(xscale="log", yscale="log")
        panels[0].set_title(f"Time, {run.device}, threads: {run.threads}")
        panels[0].legend(fontsize="small")
        rows = [row for row in pooling if row["axis"] == "tokens" and row["peak_mib"]]
        places = [row["side"] ** 2 for row in rows]
        panels[3].plot(places, [row["affinity_mib"] for row in rows], "--", color="black", label="one copy of A")
        panels[3].plot(places, [row["peak_mib"] for row in rows], "o-", markersize=4, color=COLOURS[1], label="peak")
        panels[3].set(xlabel="tokens", ylabel="MiB beyond the input")
        if rows:
            panels[3].set(xscale="log", yscale="log")
        panels[3].set_title("Memory")
        panels[3].legend(fontsize="small")
        counts = [row["processes"] for row in training]
        panels[4].plot(counts, [row["images_per_second"] for row in training], "o-", color=COLOURS[0])
        panels[4].set(xlabel="processes", ylabel="photos a second", xticks=counts, ylim=(0, None))
        panels[4].set_title("Training, preset scenes")


def images_per_second(processes: int, steps: int, changes: Sequence[str], folder: Path) -> float:
    """Returns photos per second of preset ``scenes`` in the second half of a short training under torchrun.

    Args:
        processes: number of processes that share the photos of a step, with one thread each.
        steps: number of steps of the training.
        changes: changes to the preset, as ``optimizer.batch_size=4``.
        folder: folder in which the training is written.

    Raises:
        RuntimeError: the training failed.
    """
    asked = [f"optimizer.steps={steps}", "run.log_every=1", f"run.save_every={steps}", f"run.panels_every={steps}"]
    words = [word for change in (*asked, *changes) for word in ("--set", change)]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["-m", "segmentation.train", "--preset", "scenes", "--device", "cpu", "-o", str(folder / "run"), *words]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=_ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    log = folder / "run" / "log.jsonl"
    if done.returncode or not log.exists():
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise RuntimeError(f"training on {processes} processes failed with exit status {done.returncode}: {last}")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    speeds = [line["images_per_second"] for line in lines if line.get("images_per_second")]
    return statistics.median(speeds[len(speeds) // 2 :])


class Size(NamedTuple):
    """Size of an input: photos of ``side * side`` tokens with this number of channels, in one call."""

    side: int
    photos: int
    channels: int


def sizes(quick: bool) -> Iterator[tuple[str, Size]]:
    """Yields the sizes, with the name of the one thing that is varied."""
    side, channels = (6, 16) if quick else (28, 384)
    for each in (4, 6) if quick else (14, 20, 28, 40, 56, 80, 112):
        yield "tokens", Size(each, 1, channels)
    for each in (1, 2) if quick else (1, 2, 4, 8, 16, 32):
        yield "photos", Size(side, each, channels)
    for each in (8, 16) if quick else (48, 96, 192, 384, 768, 1536):
        yield "channels", Size(side, 1, each)


def tokens_of(size: Size, run: Run) -> torch.Tensor:
    """Makes unit tokens, ``[photos, tokens, channels]``."""
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
        """Computes F F^T of every photo."""
        return self.tokens @ self.tokens.transpose(1, 2)

    def pool(self, layer: OnlineAgglomerativePooling) -> object:
        """Computes all levels of all photos."""
        return layer(self.tokens.flatten(0, 1), self.edges, self.batch)


def cost_row(axis: str, size: Size, run: Run) -> Row:
    """Times the calls on one size, and measures the peak memory with all levels in a process of its own."""
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
    """Yields photos per second of preset ``scenes`` for each number of processes, one thread each."""
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
