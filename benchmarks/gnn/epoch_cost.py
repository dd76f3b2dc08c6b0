"""Measures an epoch of training with each pooling layer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch
from torch_geometric.data import Batch

from benchmarks.gnn.classifier import Classifier
from benchmarks.gnn.graph_sets import GraphSet
from benchmarks.gnn.training import Budget, batches_of, learn
from benchmarks.isolate import Failed, in_fresh_process
from benchmarks.memory import peak_extra_bytes
from benchmarks.record import Row
from benchmarks.run import Run
from benchmarks.timing import measure

_BASELINE = "TopK"
Make = Callable[[], Callable[[], Classifier]]


def cost_rows(graphs: GraphSet, makers: Mapping[str, Make], budget: Budget, run: Run) -> Iterator[Row]:
    """Yields the time of an epoch over all graphs, layers taking turns, and its peak memory in a process of its own.

    Args:
        graphs: graphs to learn from.
        makers: for each layer, a function that returns the maker of its networks, or raises ImportError.
        budget: settings of the training.
        run: options of the benchmark.
    """
    batches = list(batches_of(graphs.graphs, budget.batch_size))
    epochs: dict[str, Callable[[], None]] = {}
    reasons: dict[str, str] = {}
    for name, make in makers.items():
        try:
            epochs[name] = epoch_of(make()(), batches, budget)
        except ImportError as error:
            reasons[name] = str(error)
    timings = measure(epochs, run.device, run.repeats)
    for name, make in makers.items():
        row: Row = {"table": "cost", "dataset": graphs.name, "pool": name, "reason": reasons.get(name)}
        if name in epochs:
            ms = timings[name].ms
            peak = in_fresh_process(_peak, make, batches, budget, run)
            row |= {
                "epoch_ms": ms,
                "ratio": ms / timings[_BASELINE].ms if _BASELINE in timings else None,
                "peak_mib": None if isinstance(peak, Failed) or peak is None else peak / 2**20,
                "repeats": timings[name].repeats,
                "reason": peak.message if isinstance(peak, Failed) else None,
            }
        yield row


def epoch_of(network: Classifier, batches: Sequence[Batch], budget: Budget) -> Callable[[], None]:
    """Returns a call that trains a network for one epoch."""
    optimizer = torch.optim.Adam(network.parameters(), lr=budget.lr)
    return lambda: learn(network, optimizer, iter(batches))


def _peak(make: Make, batches: Sequence[Batch], budget: Budget, run: Run) -> int | None:
    run.begin()
    epoch = epoch_of(make()(), batches, budget)
    epoch()
    return peak_extra_bytes(partial(epoch), run.device)
