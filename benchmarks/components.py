"""Compares connected components with SciPy: ``python -m benchmarks.components``.

SciPy starts from the same int64 edge tensor, so the time to make a sparse matrix of it counts. Its best call is the
fastest of several sensible ones.
"""

from collections.abc import Callable, Iterator
from unittest.mock import patch

import click
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components as scipy_components
from torch import Tensor
from torch_geometric.utils import to_scipy_sparse_matrix

import graphpool.components
from benchmarks.figure import COLOURS, drawn_to, plain_ticks
from benchmarks.inputs import half_grids, path, random_edges
from benchmarks.record import Record, Row, print_table
from benchmarks.run import Run, benchmark_options
from benchmarks.timing import measure
from graphpool import connected_components

_COLUMNS = {
    "case": "case",
    "nodes": "nodes",
    "edges": "edges",
    "components": "components",
    "rounds": "rounds",
    "scipy_best_ms": "SciPy best, ms",
    "scipy_best_call": "SciPy's best call",
    "pyg_ms": "as PyG, ms",
    "ours_ms": "ours, ms",
    "static_ms": "static, ms",
    "ours_ratio": "ours / SciPy best",
    "static_ratio": "static / SciPy best",
    "repeats": "repeats",
}


def cases(quick: bool, generator: torch.Generator) -> Iterator[tuple[str, int, Tensor]]:
    """Yields name, number of nodes and edges (each once) of every graph."""
    sides, many = ((8,), 500) if quick else ((28, 56, 224), 1_000_000)
    for side in sides:
        for batch_size in (1, 16):
            name = f"grid {side}x{side}" if batch_size == 1 else f"{batch_size} grids {side}x{side}"
            yield name, batch_size * side * side, half_grids(side, side, batch_size, generator)
    yield "path, ordered", many, path(many)
    yield "path, shuffled", many, path(many, generator)
    yield "random graph", many, random_edges(many, 4 * many, generator)


def scipy_calls(edge_index: Tensor, num_nodes: int) -> dict[str, Callable[[], NDArray[np.int32]]]:
    """Returns the sensible ways to get SciPy's labels."""
    shape = (num_nodes, num_nodes)

    def by_coo(values: type, directed: bool) -> NDArray[np.int32]:
        source, target = edge_index.cpu().numpy().astype(np.int32)
        matrix = coo_array((np.ones(source.size, dtype=values), (source, target)), shape=shape)
        return labels_of(matrix, directed)

    def by_csr() -> NDArray[np.int32]:  # what one can do if one knows that the edges are sorted
        source, target = edge_index.cpu().numpy()
        start = np.zeros(num_nodes + 1, dtype=np.int32)
        np.cumsum(np.bincount(source, minlength=num_nodes), out=start[1:])
        return labels_of(csr_array((np.ones(source.size), target.astype(np.int32), start), shape=shape), False)

    calls: dict[str, Callable[[], NDArray[np.int32]]] = {
        "coo int8, undirected": lambda: by_coo(np.int8, False),
        "coo int8, weak": lambda: by_coo(np.int8, True),
        "coo float64, undirected": lambda: by_coo(np.float64, False),
        "coo float64, weak": lambda: by_coo(np.float64, True),
    }
    if bool((edge_index[0].diff() >= 0).all()):
        calls["csr of sorted edges, undirected"] = by_csr
    return calls


def labels_of(matrix: "coo_array | csr_array", directed: bool) -> NDArray[np.int32]:
    """Returns SciPy's labels; ``directed`` looks for weak components, which are the same."""
    label: NDArray[np.int32] = scipy_components(matrix, directed=directed, connection="weak")[1]
    return label


def check_labels(name: str, edge_index: Tensor, num_nodes: int, expected: Tensor) -> None:
    """Raises unless our labels are SciPy's, number for number, and the static form gives the same partition."""
    found = connected_components(edge_index, num_nodes)
    if not torch.equal(found.label.cpu(), expected) or found.count != int(expected.max()) + 1:
        raise RuntimeError(f"{name}: labels differ from SciPy's")
    static = connected_components(edge_index, num_nodes, static=True)
    if not bool(static.converged):
        raise RuntimeError(f"{name}: the static form did not converge")
    if not torch.equal(static.label.unique(return_inverse=True)[1].cpu(), expected):
        raise RuntimeError(f"{name}: the static form gives another partition than SciPy")


def count_rounds(edge_index: Tensor, num_nodes: int) -> int:
    """Counts the hooking rounds of a call."""
    hook_once = graphpool.components._hook_once
    with patch.object(graphpool.components, "_hook_once", wraps=hook_once) as hook:
        connected_components(edge_index, num_nodes)
    return hook.call_count


def compare(name: str, num_nodes: int, edge_index: Tensor, run: Run) -> Row:
    """Checks the labels of one graph, then times all calls."""
    edge_index = edge_index.to(run.device)
    scipys = scipy_calls(edge_index, num_nodes)
    check_labels(name, edge_index, num_nodes, torch.from_numpy(next(iter(scipys.values()))()).long())
    trials = measure(scipys, run.device, min(run.repeats, 5))
    best = min(trials, key=lambda call: trials[call].seconds)
    timings = measure(
        {
            "scipy": scipys[best],
            "pyg": lambda: labels_of(to_scipy_sparse_matrix(edge_index, num_nodes=num_nodes), True),
            "ours": lambda: connected_components(edge_index, num_nodes),
            "static": lambda: connected_components(edge_index, num_nodes, static=True),
        },
        run.device,
        run.repeats,
    )
    return {
        "case": name,
        "nodes": num_nodes,
        "edges": edge_index.size(1),
        "components": int(connected_components(edge_index, num_nodes).count),
        "rounds": count_rounds(edge_index, num_nodes),
        "scipy_best_ms": timings["scipy"].ms,
        "scipy_best_call": best,
        "pyg_ms": timings["pyg"].ms,
        "ours_ms": timings["ours"].ms,
        "static_ms": timings["static"].ms,
        "ours_ratio": timings["ours"].ms / timings["scipy"].ms,
        "static_ratio": timings["static"].ms / timings["scipy"].ms,
        "pyg_ratio": timings["pyg"].ms / timings["scipy"].ms,
        "repeats": timings["ours"].repeats,
        "static_repeats": timings["static"].repeats,
        "labels_checked": True,
    }


def draw(rows: list[Row], run: Run) -> None:
    """Draws times relative to SciPy's best call."""
    if run.plot_file is None:
        return
    shown = {
        "ours_ratio": ("graphpool", COLOURS[0], "o"),
        "static_ratio": ("graphpool, static=True", COLOURS[4], "o"),
        "pyg_ratio": ("SciPy as PyG calls it", COLOURS[1], "s"),
    }
    with drawn_to(run.plot_file, 1, (7, 0.36 * len(rows) + 1.5)) as (axes,):
        places = np.arange(len(rows))
        for key, (label, colour, marker) in shown.items():
            axes.plot([row[key] for row in rows], places, marker, label=label, color=colour)
        axes.axvline(1, color="black", linewidth=1)
        axes.set(xscale="log", xlabel="time / time of SciPy's best call (log scale, smaller is better)")
        plain_ticks(axes.xaxis)
        axes.set_yticks(places, [row["case"] for row in rows])
        axes.invert_yaxis()
        axes.set_title(f"Connected components, {run.device}, threads: {run.threads}")
        axes.legend(loc="lower center", bbox_to_anchor=(0.45, 1.08), ncols=3)


@click.command()
@benchmark_options
def components(run: Run) -> None:
    """Time of connected components against SciPy's best call, labels checked number for number."""
    generator = run.begin()
    record = Record("components", run)
    for name, num_nodes, edge_index in cases(run.quick, generator):
        record.add(compare(name, num_nodes, edge_index, run))
    print_table("Connected components (labels equal SciPy's in every case)", record.rows, _COLUMNS)
    record.write_json()
    draw(record.rows, run)


if __name__ == "__main__":
    components()
