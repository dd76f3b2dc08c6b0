"""Measures Online Agglomerative Pooling in units of one product F F^T: ``python -m benchmarks.oap_cost``.

Whatever makes the affinity of all tokens takes at least that one product. The upper end is the paper's Algorithm 1
written down literally, with dense masks.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.figure import COLOURS, drawn_to, plain_ticks
from benchmarks.inputs import random_features, region_features
from benchmarks.isolate import Failed, in_fresh_process
from benchmarks.memory import peak_extra_bytes
from benchmarks.oap_steps import STEPS, time_shares
from benchmarks.record import Record, Row, print_table
from benchmarks.run import Run, benchmark_options
from benchmarks.timing import measure
from graphpool import OnlineAgglomerativePooling, grid_graph
from tests.oracles.algorithm1 import algorithm1

THRESHOLDS = (0.8, 0.7, 0.6, 0.5, 0.4)  # of the paper, and of OnlineAgglomerativePooling unless told otherwise
_STEP_LABELS = {"edges": "score and group edges", "merge": "merge, Eq. 6", "semantic": "semantic", "rest": "rest"}


def draw(rows: list[Row], run: Run) -> None:
    """Draws the cost in products, and the share of each step."""
    if run.plot_file is None:
        return
    names = [f"{row['features']}\n{row['tokens']:,} x {row['channels']}" for row in rows]
    places = np.arange(len(rows))
    with drawn_to(run.plot_file, 2, (9.5, 0.55 * len(rows) + 1.6)) as (left, right):
        for key, label, colour in (
            ("instance_ratio", "instance levels", COLOURS[4]),
            ("semantic_ratio", "instance and semantic levels", COLOURS[0]),
        ):
            left.plot([row[key] for row in rows], places, "o", color=colour, label=label)
        dense = [row["dense_ms"] / row["product_ms"] for row in rows]
        left.plot(dense, places, "s", color=COLOURS[1], label="literal Algorithm 1, instance levels")
        left.axvline(1, color="black", linewidth=1)
        left.set(xscale="log", xlabel=r"time / time of the product $F F^\top$ (log scale)")
        plain_ticks(left.xaxis)
        left.set_title(f"OAP, five levels, {run.device}, threads: {run.threads}")
        start = np.zeros(len(rows))
        for step, colour in zip(STEPS, (COLOURS[0], COLOURS[1], COLOURS[2], COLOURS[7]), strict=True):
            share = np.array([100 * row[f"share_{step}"] for row in rows])
            right.barh(places, share, 0.6, left=start, color=colour, label=_STEP_LABELS[step])
            start += share
        right.set(xlabel="share of our time, %", xlim=(0, 100))
        right.set_title("Where the time goes")
        for axes in (left, right):
            axes.set_yticks(*(places, names) if axes is left else ([],))
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.grid(visible=axes is left, axis="x")
            axes.grid(visible=False, axis="y")
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.08), ncols=2)


_COLUMNS = {
    "features": "features",
    "tokens": "tokens",
    "channels": "channels",
    "product_ms": "F F^T, ms",
    "instance_ms": "instance, ms",
    "semantic_ms": "and semantic, ms",
    "dense_ms": "dense instance, ms",
    "instance_ratio": "instance / F F^T",
    "semantic_ratio": "and semantic / F F^T",
    "dense_ratio": "dense / ours",
    "peak_copies": "peak, copies of A",
    "repeats": "repeats",
}


class Tokens:
    """Token maps ``[batch, height, width, channels]`` as one batch of grids."""

    def __init__(self, maps: Tensor, center: str) -> None:
        self.num_graphs, height, width, channels = maps.shape
        self.size, self.center, device = height * width, center, maps.device
        self.x = maps.reshape(-1, channels)
        self.grid = grid_graph(height, width)
        self.edge_index = grid_graph(height, width, self.num_graphs, device=device)
        self.batch = torch.arange(self.num_graphs, device=device).repeat_interleave(self.size)

    def rows(self, dtype: torch.dtype) -> Tensor:
        """Returns tokens by graph, centred if ``center`` is ``"graph"``."""
        rows = self.x.to(dtype).view(self.num_graphs, self.size, -1)
        return rows - rows.mean(dim=1, keepdim=True) if self.center == "graph" else rows

    def pool(self, pool: OnlineAgglomerativePooling, dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """Returns our partition of all tokens at every level."""
        levels = pool(self.x.to(dtype), self.edge_index, self.batch).levels
        return [level.instance.cluster for level in levels]

    def dense(self, thresholds: tuple[float, ...], dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """Returns the partition by the literal Algorithm 1, one graph after the other."""
        labels: list[list[Tensor]] = []
        for rows in self.rows(dtype).cpu():
            levels = algorithm1(rows, self.grid, thresholds, semantic=False)
            labels.append([graph.masks.argmax(0) for graph, _ in levels])
        return [_numbered_on(parts) for parts in zip(*labels, strict=True)]


def _numbered_on(parts: Sequence[Tensor]) -> Tensor:
    """Joins labels of several graphs, numbering those of each graph after those of the one before."""
    first = [0, *itertools.accumulate(int(label.max()) + 1 for label in parts)]
    return torch.cat([label + start for label, start in zip(parts, first, strict=False)])


def load(file: Path, device: torch.device) -> Tensor:
    """Reads token maps from a ``.npy`` file, ``[height, width, channels]`` or a batch of them."""
    maps = torch.from_numpy(np.load(file))
    if maps.dim() not in (3, 4) or not maps.is_floating_point():
        raise click.UsageError(f"{file.name}: expected floats [H, W, d] or [B, H, W, d], got {list(maps.shape)}")
    return (maps.unsqueeze(0) if maps.dim() == 3 else maps).float().to(device)


def make(kind: str, side: int, channels: int, run: Run) -> Tensor:
    """Makes the token map of one picture."""
    generator = run.begin()
    if kind == "regions":
        x = region_features(side, side, channels, generator)
    else:
        x = random_features(side * side, channels, generator)
    return x.view(1, side, side, channels).to(run.device)


def check_partitions(name: str, tokens: Tokens, pool: OnlineAgglomerativePooling) -> None:
    """Raises unless ours and the literal algorithm give the same partition, in float64."""
    ours, dense = tokens.pool(pool, torch.float64), tokens.dense(THRESHOLDS, torch.float64)
    for threshold, one, other in zip(THRESHOLDS, ours, dense, strict=True):
        if not torch.equal(one.cpu(), other):
            raise RuntimeError(f"{name}: our partition at threshold {threshold} is not that of the dense algorithm")


def peak_copies(make_maps: Callable[..., Tensor], args: tuple[object, ...], center: str, run: Run) -> float | None:
    """Returns our peak memory beyond the input in copies of A; to be called in a process of its own."""
    run.begin()
    tokens, pool = Tokens(make_maps(*args), center), OnlineAgglomerativePooling(center=center)
    tokens.pool(pool)
    peak = peak_extra_bytes(lambda: tokens.pool(pool), run.device)
    return None if peak is None else peak / (4 * tokens.num_graphs * tokens.size**2)


def compare(name: str, maps: Tensor, center: str, run: Run) -> Row:
    """Checks the partitions of one input, then times all calls."""
    tokens = Tokens(maps, center)
    whole = OnlineAgglomerativePooling(center=center)
    instance = OnlineAgglomerativePooling(center=center, semantic=False)
    unit = F.normalize(tokens.rows(torch.float32), dim=2)
    check_partitions(name, tokens, instance)
    timings = measure(
        {
            "product": lambda: unit @ unit.transpose(1, 2),
            "semantic": lambda: tokens.pool(whole),
            "instance": lambda: tokens.pool(instance),
            "dense": lambda: tokens.dense(THRESHOLDS),
        },
        run.device,
        run.repeats,
    )
    shares = [time_shares(whole, tokens.x, tokens.edge_index, tokens.batch) for _ in range(run.repeats)]
    product = timings["product"].seconds
    return {
        "features": name,
        "tokens": tokens.size,
        "channels": maps.size(3),
        "graphs": tokens.num_graphs,
        "product_ms": timings["product"].ms,
        "instance_ms": timings["instance"].ms,
        "semantic_ms": timings["semantic"].ms,
        "dense_ms": timings["dense"].ms,
        "instance_ratio": timings["instance"].seconds / product,
        "semantic_ratio": timings["semantic"].seconds / product,
        "dense_ratio": timings["dense"].seconds / timings["instance"].seconds,
        **{f"share_{step}": float(np.mean([share[step] for share in shares])) for step in STEPS},
        "repeats": timings["semantic"].repeats,
        "dense_repeats": timings["dense"].repeats,
        "supernodes": [int(label.max()) + 1 for label in tokens.pool(whole)],
        "partitions_checked": True,
    }


def cases(run: Run, features: tuple[Path, ...]) -> Iterator[tuple[str, Callable[..., Tensor], tuple[object, ...]]]:
    """Yields names and how to make their token maps."""
    for file in features:
        yield file.stem, load, (file, run.device)
    if features:
        return
    for kind in ("regions", "random"):
        for side in (6, 10) if run.quick else (28, 56):
            for channels in (16,) if run.quick else (384, 768):
                yield kind, make, (kind, side, channels, run)


@click.command()
@click.option(
    "--features",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Real token maps instead of the synthetic ones: .npy, [H, W, d] or [B, H, W, d].",
)
@click.option(
    "--center", default="none", show_default=True, type=click.Choice(["graph", "none"]), help="As in the layer."
)
@benchmark_options
def oap_cost(run: Run, features: tuple[Path, ...], center: str) -> None:
    """Time and memory of Online Agglomerative Pooling against one product F F^T and the literal Algorithm 1."""
    run.begin()
    record = Record("oap_cost", run, {"center": center, "thresholds": THRESHOLDS})
    for name, make_maps, args in cases(run, features):
        row = compare(name, make_maps(*args), center, run)
        copies = in_fresh_process(peak_copies, make_maps, args, center, run)
        if isinstance(copies, Failed):
            raise click.ClickException(f"{name}: memory could not be measured: {copies.message}")
        record.add({**row, "peak_copies": copies})
    print_table("Online Agglomerative Pooling, five levels (partitions equal the dense ones)", record.rows, _COLUMNS)
    shares = {"features": "features", "tokens": "tokens", "channels": "channels"}
    print_table("Share of the time", record.rows, shares | {f"share_{step}": step for step in STEPS})
    record.write_json()
    draw(record.rows, run)


if __name__ == "__main__":
    oap_cost()
