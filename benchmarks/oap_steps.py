"""Measures where Online Agglomerative Pooling spends its time."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

import graphpool.online_pooling
from benchmarks.timing import stopwatch
from graphpool import OnlineAgglomerativePooling
from graphpool.supernodes import Supernodes
from graphpool.threshold_grouping import group_edges, group_pairs

STEPS = ("edges", "merge", "semantic", "rest")


def time_shares(
    pool: OnlineAgglomerativePooling, x: Tensor, edge_index: Tensor, batch: Tensor | None
) -> dict[str, float]:
    """Returns the share of the time of one call that each step takes; shares add up to 1.

    ``edges``: scoring the edges and grouping by them, the affinity of the tokens included. ``merge``: adding up
    children and Eq. 6 for the instance levels. ``semantic``: both for the semantic levels. ``rest``: normalising,
    coarse edges, results.
    """
    seconds = dict.fromkeys(STEPS, 0.0)
    with _timed_steps(seconds, x.device):
        total = stopwatch(lambda: pool(x, edge_index, batch), x.device)
    seconds["rest"] = total - sum(seconds.values())
    return {step: spent / total for step, spent in seconds.items()}


@contextmanager
def _timed_steps(seconds: dict[str, float], device: torch.device) -> Iterator[None]:
    merges_for = "merge"  # or "semantic", after pairs were grouped

    def timed(function: Callable[..., Any], step: str | None) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal merges_for
            if step is not None:
                merges_for = "semantic" if step == "semantic" else "merge"
            results: list[Any] = []
            seconds[step or merges_for] += stopwatch(lambda: results.append(function(*args)), device)
            return results[0]

        return call

    merge = Supernodes.merge
    with ExitStack() as stack:
        for place, name, function, step in (
            (graphpool.online_pooling, "group_edges", group_edges, "edges"),
            (graphpool.online_pooling, "group_pairs", group_pairs, "semantic"),
            (Supernodes, "merge", merge, None),
        ):
            stack.enter_context(patch.object(place, name, timed(function, step)))
        yield
