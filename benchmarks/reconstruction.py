"""Measures how much of the node features survives a pooling layer: pool, unpool, mean squared error."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import torch
from torch_geometric.data import Data

from benchmarks.gnn.autoencoder import Autoencoder, reconstruct
from benchmarks.gnn.graph_sets import folds, load_graphs
from benchmarks.gnn.pools import POOLS, PoolSpec
from benchmarks.record import Record, Row, print_table
from benchmarks.run import Run, benchmark_options
from graphpool import grid_graph
from segmentation.scene_generator.scene import make_scene

_CHANNELS = 64
_LR = 5e-3
_COLUMNS = {
    "data": "data",
    "pool": "pooling",
    "asked": "to keep",
    "kept": "kept",
    "error": "MSE / variance",
    "deviation": "+-",
    "reason": "why not",
}


class Task(NamedTuple):
    """Training and test graphs, and the number that makes a batch."""

    name: str
    training: Sequence[Data]
    test: Sequence[Data]
    batch_size: int


def grids(count: int, side: int, seed: int) -> list[Data]:
    """Returns generated scenes as grids of pixels, with standardised colours as features."""
    edges = grid_graph(side, side)
    colours = torch.stack([_pixels(make_scene(index, seed=seed).photo, side) for index in range(count)])
    colours = (colours - colours.mean((0, 1))) / colours.std((0, 1))
    return [Data(x=x, edge_index=edges) for x in colours]


def _pixels(photo: np.ndarray, side: int) -> torch.Tensor:
    """Resizes a photo and returns its colours, ``[side * side, 3]``."""
    pixels = torch.from_numpy(photo).permute(2, 0, 1)[None].float()
    small = torch.nn.functional.interpolate(pixels, (side, side), mode="bilinear", antialias=True)
    return small[0].flatten(1).T / 255


def tasks(root: Path, seed: int, quick: bool) -> Iterator[Task]:
    """Yields PROTEINS (four fifths for training) and grids of 24 x 24 pixels."""
    graphs = load_graphs("PROTEINS", root)
    fold = next(folds(graphs.labels, 5, seed))
    training = graphs.take(sorted(fold.training + fold.validation))
    yield Task("PROTEINS", training[:20] if quick else training, graphs.take(fold.test), 64)
    many, side = (10, 8) if quick else (240, 24)
    pictures = grids(many, side, seed)
    # ClusterPooling takes memory quadratic in a batch
    yield Task("image grids", pictures[: 4 * many // 5], pictures[4 * many // 5 :], 8)


def error_row(task: Task, pool: str, asked: float | None, epochs: int, seeds: Sequence[int]) -> Row:
    """Returns the error of a layer over some seeds, or the reason why there is none."""
    row: Row = {"data": task.name, "pool": pool, "asked": asked, "reason": None}
    nodes = float(np.mean([graph.num_nodes for graph in task.training]))
    make = partial(POOLS[pool].make, PoolSpec(_CHANNELS, asked, nodes, "mean"))
    found = []
    try:
        for seed in seeds:
            torch.manual_seed(seed)
            network = Autoencoder(task.training[0].x.size(1), _CHANNELS, make)
            found.append(
                reconstruct(
                    network,
                    task.training,
                    task.test,
                    epochs=epochs,
                    lr=_LR,
                    seed=seed,
                    batch_size=task.batch_size,
                )
            )
    except ImportError as error:
        return row | {"reason": str(error)}
    errors, kept = zip(*found, strict=True)
    return row | {"error": float(np.mean(errors)), "deviation": float(np.std(errors)), "kept": float(np.mean(kept))}


@click.command()
@click.option("--root", required=True, type=click.Path(path_type=Path), help="Folder with (or for) the TU data sets.")
@click.option("--pool", "pools", multiple=True, type=click.Choice(list(POOLS)), help="Only these.  [default: all]")
@click.option(
    "--kept", multiple=True, default=(0.5, 0.25), show_default=True, type=click.FloatRange(0, 1, min_open=True)
)
@click.option("--epochs", default=30, show_default=True, type=click.IntRange(1))
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
@benchmark_options
def reconstruction(
    run: Run, root: Path, pools: tuple[str, ...], kept: tuple[float, ...], epochs: int, seeds: int
) -> None:
    """Error of node features after pooling and unpooling, each layer as it is and at matched kept fractions."""
    run.begin()
    if run.quick:
        epochs, seeds = 1, 1
    record = Record("reconstruction", run, {"epochs": epochs, "seeds": seeds, "lr": _LR, "channels": _CHANNELS})
    for task in tasks(root, run.seed, run.quick):
        for asked in (None, *kept):
            for pool in pools or list(POOLS):
                entry = POOLS[pool]
                if not (entry.own if asked is None else entry.ratio):
                    continue
                record.add(error_row(task, pool, asked, epochs, range(run.seed, run.seed + seeds)))
                record.write_json()
    print_table("Error of the features, as a share of their variance", record.rows, _COLUMNS)


if __name__ == "__main__":
    reconstruction()
