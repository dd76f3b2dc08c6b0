"""Measures levels that follow the data: the spanning forest, ratios, mutual best neighbours and largest areas."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import cKDTree
from torch import Tensor
from torch_geometric.data import Batch
from torch_geometric.nn import GCNConv, TopKPooling
from torch_geometric.utils import to_undirected

from benchmarks.gnn.graph_sets import NAMES, load_graphs
from benchmarks.inputs import half_grids, random_edges
from benchmarks.record import Record, Row, print_table
from benchmarks.run import Run, benchmark_options
from benchmarks.timing import measure
from graphpool import (
    AgglomerativePool,
    ComponentPool,
    LinearEdgeScore,
    connected_components,
    maximum_spanning_forest,
    segment_mean,
)

_FOREST = {
    "case": "graph",
    "nodes": "nodes",
    "edges": "edges",
    "scipy_ms": "SciPy's minimum_spanning_tree, ms",
    "components_ms": "connected_components, ms",
    "ours_ms": "maximum_spanning_forest, ms",
    "scipy_ratio": "/ SciPy",
    "components_ratio": "/ components",
}
_CLOUD = {
    "ratio": "to keep",
    "layer": "layer",
    "left": "left",
    "largest": "largest supernode",
    "singles": "single nodes",
    "features_lost": "variance of features lost",
    "positions_lost": "of positions",
    "ms": "ms",
}
_KEPT = {"dataset": "data set", "ratio": "to keep", "layer": "layer", "kept": "kept"}
CLOUD_LAYERS: dict[str, dict[str, Any]] = {
    "components": {},
    "components, max_area 0.01": {"max_area": 0.01},
    "mutual": {"group": "mutual"},
    "mutual, max_area 0.001": {"group": "mutual", "max_area": 0.001},
}
RATIOS = (0.5, 0.25, 0.1, 0.05)


def forest_rows(run: Run, generator: torch.Generator) -> Iterator[Row]:
    """Times the spanning forest against SciPy's, whose total weight it has, and against components alone."""
    many = 1000 if run.quick else 1_000_000
    side = 8 if run.quick else 224
    graphs = {
        "random graph": (many, random_edges(many, 4 * many, generator)),
        f"16 grids {side}x{side}": (16 * side * side, half_grids(side, side, 16, generator)),
    }
    for case, (num_nodes, edges) in graphs.items():
        score = torch.rand(edges.size(1), generator=generator)
        edges, score = edges.to(run.device), score.to(run.device)
        # in (1, 2]: SciPy takes a weight of zero for no edge, and adds up the weights of repeated edges
        distance = (2 - score).double().cpu().numpy()
        source, target = edges.cpu().numpy()
        low, high = np.minimum(source, target), np.maximum(source, target)
        order = np.lexsort((distance, high, low))
        first = np.append(True, (np.diff(low[order]) != 0) | (np.diff(high[order]) != 0)) & (low != high)[order]
        kept = order[first]
        matrix = coo_array((distance[kept], (low[kept], high[kept])), shape=(num_nodes, num_nodes)).tocsr()
        expected, found = minimum_spanning_tree(matrix), maximum_spanning_forest(edges, score, num_nodes)
        total = 2 * found.edge.numel() - float(found.score.double().sum())
        if found.edge.numel() != expected.nnz or abs(total - float(expected.sum())) > 1e-6 * num_nodes:
            raise RuntimeError(f"{case}: the forest has another weight than SciPy's")
        calls: dict[str, Callable[[], object]] = {
            "scipy": partial(minimum_spanning_tree, matrix),
            "components": partial(connected_components, edges, num_nodes),
            "ours": partial(maximum_spanning_forest, edges, score, num_nodes),
        }
        spent = {name: timing.ms for name, timing in measure(calls, run.device, run.repeats).items()}
        yield {
            "table": "forest",
            "case": case,
            "nodes": num_nodes,
            "edges": edges.size(1),
            **{f"{name}_ms": ms for name, ms in spent.items()},
            "scipy_ratio": spent["ours"] / spent["scipy"],
            "components_ratio": spent["ours"] / spent["components"],
        }


def point_cloud(num_points: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Makes random points with smooth features and some noise, and joins each to its six nearest.

    Returns:
        Positions ``[N, 3]``, features ``[N, 3]`` and edges ``[2, E]``.
    """
    positions = torch.rand(num_points, 3, generator=generator)
    smooth = [(6 * positions).sin().sum(1), (4 * positions).cos().prod(1), positions[:, 0]]
    features = torch.stack(smooth, 1) + 0.05 * torch.randn(num_points, 3, generator=generator)
    _, near = cKDTree(positions.numpy()).query(positions.numpy(), 7)
    nearest = torch.from_numpy(np.asarray(near)[:, 1:].copy())
    edges = torch.stack([torch.arange(num_points).repeat_interleave(6), nearest.flatten()])
    return positions, features, to_undirected(edges)


def share_lost(x: Tensor, cluster: Tensor) -> float:
    """Returns the share of the variance of ``x`` that its means over clusters lose."""
    lost = (x - segment_mean(x, cluster)[cluster]).square().sum()
    return float(lost / (x - x.mean(0)).square().sum())


def cloud_rows(run: Run, generator: torch.Generator) -> Iterator[Row]:
    """Pools a point cloud to each ratio by each way to group."""
    positions, x, edges = (part.to(run.device) for part in point_cloud(300 if run.quick else 20_000, generator))
    for ratio in RATIOS:
        for layer, options in CLOUD_LAYERS.items():
            pool = AgglomerativePool(ratio=ratio, feature_weight=1.0, features="mean", center="graph", **options)
            pooled = pool(x, edges)
            area = torch.bincount(pooled.cluster)
            timing = measure({"pool": partial(pool, x, edges)}, run.device, min(run.repeats, 3))["pool"]
            yield {
                "table": "cloud",
                "ratio": ratio,
                "layer": layer,
                "left": area.numel(),
                "largest": int(area.max()),
                "singles": int((area == 1).sum()),
                "features_lost": share_lost(x, pooled.cluster),
                "positions_lost": share_lost(positions, pooled.cluster),
                "ms": timing.ms,
            }


def kept_rows(root: Path, names: tuple[str, ...], run: Run) -> Iterator[Row]:
    """Yields the share of the nodes that layers keep of graph sets, behind an untrained convolution and ReLU."""
    layers: dict[str, Any] = {
        "TopKPooling": lambda ratio: TopKPooling(64, ratio),
        "AgglomerativePool": lambda ratio: AgglomerativePool(ratio=ratio, features="sum", center="graph"),
        "mutual": lambda ratio: AgglomerativePool(
            ratio=ratio, features="sum", center="graph", feature_weight=1.0, group="mutual"
        ),
        "learned score": lambda ratio: AgglomerativePool(ratio=ratio, score=LinearEdgeScore(64)),
        "ComponentPool": lambda ratio: ComponentPool(64, ratio=ratio),
    }
    for name in names:
        graphs = load_graphs(name, root)
        batch = Batch.from_data_list(graphs.graphs[: 20 if run.quick else None])
        torch.manual_seed(run.seed)
        with torch.no_grad():
            x = GCNConv(graphs.num_features, 64)(batch.x, batch.edge_index).relu()
        for ratio in (0.5, 0.25):
            for layer, make in layers.items():
                with torch.no_grad():
                    left = make(ratio)(x, batch.edge_index, None, batch.batch)[0].size(0)
                yield {"table": "kept", "dataset": name, "ratio": ratio, "layer": layer, "kept": left / x.size(0)}


@click.command()
@click.option("--root", type=click.Path(path_type=Path), help="Folder with (or for) the TU data sets.")
@benchmark_options
def levels(run: Run, root: Path | None) -> None:
    """Spanning forests against SciPy's; ratios, mutual best neighbours and largest areas on clouds and graph sets."""
    generator = run.begin()
    record = Record("levels", run, {"seed": run.seed})
    for row in (*forest_rows(run, generator), *cloud_rows(run, generator)):
        record.add(row)
    if root is not None:
        for row in kept_rows(root, NAMES[:1] if run.quick else NAMES, run):
            record.add(row)
    for title, table, columns in (
        ("Spanning forests (total weight is SciPy's)", "forest", _FOREST),
        ("A cloud of 20,000 points", "cloud", _CLOUD),
        ("Kept nodes", "kept", _KEPT),
    ):
        print_table(title, [row for row in record.rows if row["table"] == table], columns)
    record.write_json()


if __name__ == "__main__":
    levels()
