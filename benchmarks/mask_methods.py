"""The methods that make masks from tokens, each as one call: ``tokens, grid -> masks``."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.peers import divide_and_conquer, mask_cut, token_cut
from graphpool import OnlineAgglomerativePooling, agglomerate, grid_graph
from graphpool.affinity_state import unit_tokens
from graphpool.batch_layout import Layout

Find = Callable[[Tensor, tuple[int, int]], Tensor]
FIVE = (0.8, 0.7, 0.6, 0.5, 0.4)
FEATURES_ONLY: dict[str, Any] = {"feature_weight": 1, "features": "mean"}  # as in preset photos: no affinity
NINE = tuple(round(0.9 - 0.1 * step, 2) for step in range(9))


class Method(NamedTuple):
    """A method that makes masks from tokens.

    Attributes:
        name: name of the algorithm.
        solver: name of its solver.
        find: maps unit tokens ``[N, channels]`` and their grid to masks ``[S, rows, columns]``.
        quality: whether its masks are scored, which is so for one solver of each algorithm.
    """

    name: str
    solver: str
    find: Find
    quality: bool = False


def oap(thresholds: tuple[float, ...], semantic: bool = False, **changes: Any) -> Find:
    """Returns OAP with the paper's settings and these changes, as a call that finds the distinct instance segments."""
    pool = OnlineAgglomerativePooling(thresholds, semantic=semantic, **changes)

    def find(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        with warnings.catch_warnings():  # it need not be told that raw keys can be too alike: that is compared here
            warnings.filterwarnings("ignore", "every graph merged", UserWarning)
            hierarchy = pool(tokens, grid_graph(*grid))
        tree = hierarchy.instance_tree
        clusters = torch.stack([level.instance.cluster for level in hierarchy.levels])
        return (clusters.index_select(0, tree.born) == tree.supernode.unsqueeze(1)).view(-1, *grid)

    return find


def merged(linkage: str) -> Find:
    """Returns the merging of the most alike neighbours, as a call that finds every group of five tokens or more."""

    def find(tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        tree = agglomerate(tokens, grid_graph(*grid), linkage=linkage)
        order, first = tree.members
        place = torch.empty_like(order).index_copy_(0, order, torch.arange(len(order), device=order.device))
        large = tree.area >= _FEWEST
        start, area = first[tree.num_nodes :][large].unsqueeze(1), tree.area[large].unsqueeze(1)
        return ((place >= start) & (place < start + area)).view(-1, *grid)

    return find


AUTHORS = "the authors'"
_FEWEST = 5  # tokens of a segment, as in the paper's settings
METHODS = (
    Method("TokenCut", f"{AUTHORS}: dense eigh", partial(token_cut, solver="eigh"), quality=True),
    Method("TokenCut", "Lanczos", partial(token_cut, solver="lanczos")),
    Method("TokenCut", "Lanczos on the inverse", partial(token_cut, solver="inverse")),
    Method("MaskCut", f"{AUTHORS}: dense eigh", partial(mask_cut, solver="eigh"), quality=True),
    Method("MaskCut", "Lanczos", partial(mask_cut, solver="lanczos")),
    Method("MaskCut", "Lanczos on the inverse", partial(mask_cut, solver="inverse")),
    Method("Divide-and-Conquer, merge", f"{AUTHORS}: scan", partial(divide_and_conquer, solver="scan"), quality=True),
    Method("Divide-and-Conquer, merge", "heap", partial(divide_and_conquer, solver="heap")),
    Method("OAP, 5 levels", "graphpool", oap(FIVE), quality=True),
    Method("OAP, 9 levels", "graphpool", oap(NINE), quality=True),
    Method("OAP, 5 levels and semantic", "graphpool", oap(FIVE, semantic=True)),
    Method("OAP, 5 levels, features only", "graphpool", oap(FIVE, **FEATURES_ONLY), quality=True),
    Method("OAP, 9 levels, features only", "graphpool", oap(NINE, **FEATURES_ONLY), quality=True),
    Method("merges, average linkage", "graphpool", merged("average"), quality=True),
    Method("merges, balanced linkage", "graphpool", merged("balanced"), quality=True),
)
BASELINE = "OAP, 5 levels"


def unit_keys(keys: Tensor, center: str) -> Tensor:
    """Normalises the keys of one photo, after subtracting their mean if ``center`` is ``"graph"``."""
    return unit_tokens(keys, Layout.of(torch.zeros(len(keys), dtype=torch.long), 1), center)
