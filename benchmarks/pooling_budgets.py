"""Measures the budgets of pooling layers: a batch of small graphs, against the PyG layer that one would use instead."""

from functools import partial

import torch
from torch import Tensor
from torch_geometric.nn import ClusterPooling

from benchmarks.inputs import smooth_features
from benchmarks.layers import LAYERS
from benchmarks.record import Row
from benchmarks.run import Run
from benchmarks.timing import Timing, measure
from graphpool import ComponentPool, grid_graph

BUDGET_COLUMNS = {
    "case": "case",
    "layer": "layer",
    "against": "against",
    "nodes_left": "nodes left",
    "forward_ms": "forward, ms",
    "both_ms": "and backward, ms",
    "other_ms": "other's forward, ms",
    "forward_ratio": "forward / other's",
    "both_ratio": "and backward / other's",
    "repeats": "repeats",
}
_BASELINE = "TopKPooling"
_RIVALS = (
    "AgglomerativePool, features only",
    "AgglomerativePool, affinity",
    "AgglomerativePool, affinity and vote",
)


def budget_rows(run: Run) -> list[Row]:
    """Returns the rows of both comparisons; forward only against ClusterPooling. Best called in a fresh process."""
    generator = run.begin()
    batch_size, side, channels = (2, 8, 64) if run.quick else (16, 28, 64)
    edge_index = grid_graph(side, side, batch_size)
    num_nodes = batch_size * side * side
    x = smooth_features(edge_index, num_nodes, channels, generator).to(run.device)
    batch = torch.arange(batch_size, device=run.device).repeat_interleave(side * side)
    case = f"{batch_size} x {side * side} nodes, d = {channels}"
    edge_index = edge_index.to(run.device)
    with run.device:
        rows = _against_topk(x.requires_grad_(), edge_index, batch, run)
        rows.append(_against_cluster_pooling(x.detach(), edge_index, batch, run))
    return [{"table": "budgets", "case": case, **row} for row in rows]


def _against_topk(x: Tensor, edge_index: Tensor, batch: Tensor, run: Run) -> list[Row]:
    pools = {name: LAYERS[name](x.size(1)) for name in (_BASELINE, *_RIVALS)}

    def both(name: str) -> None:
        pools[name](x, edge_index, batch).square().sum().backward()
        x.grad = None

    calls = {name: partial(pool, x, edge_index, batch) for name, pool in pools.items()}
    forwards = measure(calls, run.device, run.repeats)
    boths = measure({name: partial(both, name) for name in pools}, run.device, run.repeats)
    return [
        {
            "layer": name,
            "against": _BASELINE,
            "nodes_left": calls[name]().size(0),
            **_times("forward", forwards[name], forwards[_BASELINE]),
            **_times("both", boths[name], boths[_BASELINE]),
            "repeats": forwards[name].repeats,
        }
        for name in pools
    ]


def _against_cluster_pooling(x: Tensor, edge_index: Tensor, batch: Tensor, run: Run) -> Row:
    theirs, ours = ClusterPooling(x.size(1)), ComponentPool(x.size(1))
    ours.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        _check_equal(theirs, ours, x, edge_index, batch)
        calls = {
            "theirs": lambda: theirs(x, edge_index, batch),
            "ours": lambda: ours(x, edge_index, batch=batch),
        }
        timings = measure(calls, run.device, run.repeats)
        left = ours(x, edge_index, batch=batch).x.size(0)
    return {
        "layer": "ComponentPool",
        "against": "ClusterPooling",
        "nodes_left": left,
        **_times("forward", timings["ours"], timings["theirs"]),
        "other_ms": timings["theirs"].ms,
        "speedup": timings["theirs"].seconds / timings["ours"].seconds,
        "repeats": timings["ours"].repeats,
        "other_repeats": timings["theirs"].repeats,
        "output_checked": True,
    }


def _check_equal(theirs: torch.nn.Module, ours: ComponentPool, x: Tensor, edge_index: Tensor, batch: Tensor) -> None:
    """Raises unless ComponentPool and ClusterPooling give the same."""
    expected_x, expected_edges, expected_batch, info = theirs(x, edge_index, batch)
    found = ours(x, edge_index, batch=batch)
    for name, one, other in (
        ("cluster", found.cluster, info.cluster),
        ("edge_index", found.edge_index, expected_edges),
        ("batch", found.batch, expected_batch),
    ):
        if not torch.equal(one, other):
            raise RuntimeError(f"ComponentPool: {name} differs from ClusterPooling's")
    torch.testing.assert_close(found.x, expected_x, rtol=1e-4, atol=1e-5 * float(expected_x.abs().max()))


def _times(which: str, timing: Timing, other: Timing) -> Row:
    return {f"{which}_ms": timing.ms, f"{which}_ratio": timing.seconds / other.seconds}
