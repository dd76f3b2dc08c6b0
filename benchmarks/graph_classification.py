"""Graph classification with every pooling layer in the same network, on the same folds."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import click
import numpy as np

from benchmarks.gnn.classifier import READOUTS, Classifier
from benchmarks.gnn.epoch_cost import cost_rows
from benchmarks.gnn.graph_sets import NAMES, GraphSet, folds, load_graphs
from benchmarks.gnn.pools import POOLS, PoolSpec
from benchmarks.gnn.significance import corrected_p, mean_ranks
from benchmarks.gnn.training import Budget, Scores, train_fold
from benchmarks.record import Record, Row, print_table
from benchmarks.run import Run, benchmark_options

REFERENCE = "AgglomerativePool"
_ACCURACY = {
    "dataset": "data set",
    "pool": "pooling",
    "asked": "to keep",
    "accuracy": "accuracy, %",
    "deviation": "+-",
    "kept_first": "kept, 1st",
    "kept_second": "kept, 2nd",
    "p": f"p against {REFERENCE}",
    "reason": "why not",
}
_COST = {
    "dataset": "data set",
    "pool": "pooling",
    "epoch_ms": "epoch, ms",
    "ratio": "/ TopK",
    "peak_mib": "peak, MiB",
    "reason": "why not",
}
_RANKS = {"pool": "pooling", "asked": "to keep", "rank": "mean rank", "kept_first": "kept, 1st", "sets": "data sets"}


def network_of(graphs: GraphSet, pool: str, budget: Budget, kept: float | None) -> Callable[[], Classifier]:
    """Makes networks with a pooling layer.

    Raises:
        ImportError: something that the layer needs is not installed.
    """
    asked = PoolSpec(budget.channels, kept, graphs.mean_nodes)
    make = partial(POOLS[pool].make, asked)
    make()
    return partial(Classifier, graphs.num_features, budget.channels, graphs.num_classes, make, budget.readout)


def accuracy_row(
    graphs: GraphSet, pool: str, budget: Budget, count: int, seeds: Sequence[int], asked: float | None
) -> Row:
    """Returns the accuracy on every fold of every seed, or the reason why there is none."""
    row: Row = {"table": "accuracy", "dataset": graphs.name, "pool": pool, "asked": asked, "reason": None}
    try:
        make = network_of(graphs, pool, budget, asked)
    except ImportError as error:
        return row | {"reason": str(error)}
    found: list[Scores] = [
        train_fold(graphs, fold, make, budget, seed) for seed in seeds for fold in folds(graphs.labels, count, seed)
    ]
    accuracies = [100 * scores.accuracy for scores in found]
    first, second = np.mean([scores.kept for scores in found], axis=0).tolist()
    return row | {
        "accuracy": float(np.mean(accuracies)),
        "deviation": float(np.std(accuracies)),
        "kept_first": first,
        "kept_second": second,
        "accuracies": [round(accuracy, 3) for accuracy in accuracies],
    }


def accuracy_rows(
    graphs: GraphSet, pools: Sequence[str], budget: Budget, count: int, seeds: Sequence[int], kept: Sequence[float]
) -> Iterator[Row]:
    """Yields a row for each layer, then one for each kept fraction that layers can be made to keep.

    Each row has the p-value against the row of the reference layer.
    """
    for asked in (None, *kept):
        reference: Row | None = None
        able = [name for name in pools if asked is None or POOLS[name].ratio]
        for name in sorted(able, key=lambda name: name != REFERENCE):  # the one that others are compared with first
            row = accuracy_row(graphs, name, budget, count, seeds, asked)
            reference = row if name == REFERENCE else reference
            if reference is not None and row["reason"] is None:
                row["p"] = corrected_p(row["accuracies"], reference["accuracies"], 1 / max(count - 2, 1))
            yield row


def rank_rows(rows: Sequence[Row]) -> list[Row]:
    """Returns the layers' mean ranks over the data sets, best first, for each kept fraction."""
    found: list[Row] = []
    for asked in dict.fromkeys(row["asked"] for row in rows):
        own = [row for row in rows if row["asked"] == asked and row["reason"] is None]
        sets = list(dict.fromkeys(row["dataset"] for row in own))
        scores = {name: {row["pool"]: row["accuracy"] for row in own if row["dataset"] == name} for name in sets}
        ranks = mean_ranks(scores)
        for pool in sorted(ranks, key=ranks.__getitem__):
            first = float(np.mean([row["kept_first"] for row in own if row["pool"] == pool]))
            found.append(
                {
                    "table": "ranks",
                    "pool": pool,
                    "asked": asked,
                    "rank": ranks[pool],
                    "kept_first": first,
                    "sets": len(sets),
                }
            )
    return found


def _all_or(names: Sequence[str], known: Sequence[str], option: str) -> list[str]:
    for name in names:
        if name not in (*known, "all"):
            raise click.UsageError(f"{option} {name}: not one of all, {', '.join(known)}")
    return list(known) if "all" in names else [name for name in known if name in names]


@click.command()
@click.option(
    "--dataset", "datasets", multiple=True, default=("all",), show_default=True, help="Several are ranked over."
)
@click.option("--root", required=True, type=click.Path(path_type=Path), help="Folder with (or for) the TU data sets.")
@click.option("--pool", "pools", multiple=True, default=("all",), show_default=True, help="Pooling layers.")
@click.option("--folds", "count", default=10, show_default=True, type=click.IntRange(3))
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Repetitions with other folds.")
@click.option("--epochs", default=30, show_default=True, type=click.IntRange(1))
@click.option("--readout", default="sum", show_default=True, type=click.Choice(sorted(READOUTS)))
@click.option("--kept", multiple=True, type=click.FloatRange(0, 1, min_open=True), help="Also at this kept fraction.")
@click.option("--part", default="both", show_default=True, type=click.Choice(["accuracy", "cost", "both"]))
@benchmark_options
def graph_classification(
    run: Run,
    datasets: tuple[str, ...],
    root: Path,
    pools: tuple[str, ...],
    count: int,
    seeds: int,
    epochs: int,
    readout: str,
    kept: tuple[float, ...],
    part: str,
) -> None:
    """Accuracy, kept nodes, time and memory of a graph network with each pooling layer."""
    run.begin()
    names, layers = _all_or(datasets, NAMES, "--dataset"), _all_or(pools, list(POOLS), "--pool")
    if run.quick:
        count, seeds, epochs = 3, 1, 1
    budget = Budget(epochs=epochs, readout=readout)
    settings = {"folds": count, "seeds": seeds, **vars(budget)}
    record = Record("graph_classification", run, settings)
    for name in names:
        graphs = load_graphs(name, root)
        if part != "cost":
            for row in accuracy_rows(graphs, layers, budget, count, range(run.seed, run.seed + seeds), kept):
                record.add(row)
        if part != "accuracy":
            for row in cost_rows(
                graphs, {pool: partial(network_of, graphs, pool, budget, None) for pool in layers}, budget, run
            ):
                record.add(row)
        record.write_json()  # a long run leaves what it has
    accuracies, costs = ([row for row in record.rows if row["table"] == table] for table in ("accuracy", "cost"))
    record.rows.extend(rank_rows(accuracies))
    title = f"{count} folds, {seeds} seeds, {epochs} epochs"
    print_table(title, accuracies, _ACCURACY)
    print_table("Cost of an epoch", costs, _COST)
    print_table("Mean ranks", [row for row in record.rows if row["table"] == "ranks"], _RANKS)
    record.write_json()


if __name__ == "__main__":
    graph_classification()
