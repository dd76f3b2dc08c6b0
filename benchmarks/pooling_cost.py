"""Measures pooling layers on 10^2 to 10^6 nodes: ``python -m benchmarks.pooling_cost``."""

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import click
import torch
from torch import Tensor

from benchmarks.figure import COLOURS, drawn_to
from benchmarks.inputs import random_edges, smooth_features
from benchmarks.isolate import Failed, in_fresh_process, memory_limit, time_limit
from benchmarks.layers import AFFINITY_THRESHOLD, FEATURE_THRESHOLD, LAYERS, OURS
from benchmarks.memory import peak_extra_bytes
from benchmarks.pooling_budgets import BUDGET_COLUMNS, budget_rows
from benchmarks.record import Record, Row, print_table
from benchmarks.run import Run, benchmark_options
from benchmarks.timing import measure
from graphpool import grid_graph

_GREYS = ("#303030", "#585858", "#787878", "#989898", "#b0b0b0", "#c4c4c4")
_MARKERS = "s^vDPX"
_SMALLEST = {"both_ms": 0.0, "peak_mib": 0.5}  # what can be told from nothing
_COLUMNS = {
    "layer": "layer",
    "graph": "graph",
    "nodes": "nodes",
    "edges": "edges",
    "nodes_left": "nodes left",
    "forward_ms": "forward, ms",
    "backward_ms": "backward, ms",
    "both_ms": "both, ms",
    "peak_mib": "peak, MiB",
    "repeats": "repeats",
    "reason": "why not",
}


def draw(rows: list[Row], run: Run) -> None:
    """Draws time and memory over the number of nodes: ours coloured, PyG's grey."""
    if run.plot_file is None:
        return
    panels = {"both_ms": "forward and backward, ms", "peak_mib": "peak memory beyond the input, MiB"}
    peers = [name for name in LAYERS if name not in OURS]
    styles: dict[str, dict[str, Any]] = {
        name: {"color": colour, "marker": "o", "zorder": 3.0} for name, colour in zip(OURS, COLOURS, strict=False)
    }
    for name, colour, marker in zip(peers, _GREYS, _MARKERS, strict=True):
        styles[name] = {"color": colour, "marker": marker, "linestyle": "--", "linewidth": 1.1}
    with drawn_to(run.plot_file, len(panels), (11, 4.4)) as both_axes:
        for axes, (key, label) in zip(both_axes, panels.items(), strict=True):
            for name in LAYERS:
                measured = [row for row in rows if row["layer"] == name and (row.get(key) or 0) > _SMALLEST[key]]
                points = [row["nodes"] for row in measured], [row[key] for row in measured]
                axes.plot(*points, label=name, markersize=4, **styles[name])
            axes.set(xscale="log", yscale="log", xlabel="nodes", ylabel=label)
        both_axes[0].set_title(f"Pooling a grid, {run.device}, threads: {run.threads}")
        both_axes[1].set_title("A line ends where its layer exceeds a limit")
        both_axes[1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5))


def make_graph(kind: str, num_nodes: int, channels: int, run: Run) -> tuple[Tensor, Tensor, Tensor]:
    """Returns features, edges and batch vector of a square grid or of a graph with 4 random edges per node."""
    generator = run.begin()
    if kind == "grid":
        side = round(math.sqrt(num_nodes))
        num_nodes, edge_index = side * side, grid_graph(side, side)
    else:
        edge_index = random_edges(num_nodes, 4 * num_nodes, generator)
    x = smooth_features(edge_index, num_nodes, channels, generator)
    batch = torch.zeros(num_nodes, dtype=torch.long)
    return x.to(run.device), edge_index.to(run.device), batch.to(run.device)


def cost(name: str, kind: str, num_nodes: int, channels: int, limit: float, memory_gb: float, run: Run) -> Row:
    """Measures time and peak memory of one layer on one graph, in a process of its own, which may die of it."""
    x, edge_index, batch = make_graph(kind, num_nodes, channels, run)
    with run.device:
        pool = LAYERS[name](channels)
    x.requires_grad_()
    memory_limit(memory_gb, run.device)

    def forward() -> Tensor:
        with time_limit(limit):
            return pool(x, edge_index, batch)

    def both() -> None:
        with time_limit(limit):
            pool(x, edge_index, batch).square().sum().backward()
            x.grad = None

    timings = measure({"forward": forward, "both": both}, run.device, run.repeats)
    peak = peak_extra_bytes(both, run.device)
    return {
        "edges": edge_index.size(1),
        "nodes_left": forward().size(0),
        "forward_ms": timings["forward"].ms,
        "backward_ms": max(timings["both"].ms - timings["forward"].ms, 0.0),
        "both_ms": timings["both"].ms,
        "peak_mib": None if peak is None else round(peak / 2**20, 1),
        "repeats": timings["both"].repeats,
    }


def cost_row(name: str, kind: str, num_nodes: int, channels: int, limit: float, memory_gb: float, run: Run) -> Row:
    """Returns the row of :func:`cost`, or the reason why there is none."""
    row: Row = {"table": "layers", "layer": name, "graph": kind, "nodes": num_nodes, "reason": None}
    result = in_fresh_process(cost, name, kind, num_nodes, channels, limit, memory_gb, run)
    if not isinstance(result, Failed):
        return row | result
    reasons = {"time": f"a call takes longer than {limit:g} s", "memory": f"needs more than {memory_gb:g} GB"}
    return row | {
        "reason": reasons.get(result.cause, textwrap.shorten(result.message, 88, placeholder=" ...")),
        "exceeds": result.cause != "error",
    }


def cost_rows(
    name: str, sizes: Sequence[int], channels: int, limit: float, memory_gb: float, run: Run
) -> Iterator[Row]:
    """Yields the rows of one layer on grids. What exceeds a limit is not tried on larger ones."""
    exceeded: Row | None = None
    for size in sizes:
        if exceeded is None:
            row = cost_row(name, "grid", size, channels, limit, memory_gb, run)
        else:
            reason = f"not tried: with {exceeded['nodes']:,} nodes {exceeded['reason']}"
            row = {**exceeded, "nodes": size, "reason": reason}
        exceeded = exceeded or (row if row.get("exceeds") else None)
        yield row


@click.command()
@click.option("--nodes", multiple=True, type=click.IntRange(4), help="Sizes.  [default: 10^2 ... 10^6]")
@click.option("--channels", default=64, show_default=True, type=click.IntRange(1), help="Features of a node.")
@click.option("--limit", default=20.0, show_default=True, help="Seconds that a call may take.")
@click.option("--memory-gb", default=4.0, show_default=True, help="Memory that a layer may take beyond its input.")
@benchmark_options
def pooling_cost(run: Run, nodes: tuple[int, ...], channels: int, limit: float, memory_gb: float) -> None:
    """Time and peak memory of pooling layers over the size of a graph, and the budgets of the design."""
    sizes = sorted(nodes) or ([100, 400] if run.quick else [10**exponent for exponent in range(2, 7)])
    thresholds = {"features only": FEATURE_THRESHOLD, "with affinity": AFFINITY_THRESHOLD}
    settings = {"channels": channels, "limit_s": limit, "memory_gb": memory_gb, "thresholds": thresholds}
    record = Record("pooling_cost", run, settings)
    for name in LAYERS:
        for row in cost_rows(name, sizes, channels, limit, memory_gb, run):
            record.add(row)
    layers = list(record.rows)
    for name in ("ComponentPool", "AgglomerativePool, features only"):
        many = 1000 if run.quick else 1_000_000
        record.add(cost_row(name, "random", many, channels, limit, memory_gb, run))
    large = record.rows[len(layers) :]
    budgets = in_fresh_process(budget_rows, run)
    if isinstance(budgets, Failed):
        raise click.ClickException(f"the budget rows failed: {budgets.message}")
    for row in budgets:
        record.add(row)
    print_table(f"Pooling a grid, {channels} channels", layers, _COLUMNS)
    print_table("A random graph, 4 random edges for each node", large, _COLUMNS)
    print_table("Budgets", budgets, BUDGET_COLUMNS)
    record.write_json()
    draw(layers, run)


if __name__ == "__main__":
    pooling_cost()
