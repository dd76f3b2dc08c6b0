"""Supernodes at the levels of OAP by the features that they are compared by: the paper's Figure 4."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.figure import drawn_to
from benchmarks.mask_methods import FIVE, unit_keys
from benchmarks.photo_keys import Photos
from benchmarks.run import Run
from graphpool import OnlineAgglomerativePooling, grid_graph
from segmentation import load_preset

_WAYS: dict[str, dict[str, Any]] = {
    "Eq. 6, sum": {"logits": "sum"},
    "Eq. 6, mean": {"logits": "mean"},
    "plain average": {"features": "mean"},
}
_SIZE = 518
_SMALLEST = 5  # tokens of a supernode that gets a colour


def draw(photos: Photos, run: Run) -> None:
    """A row for each way: the photo (the first one), and its levels but for the finest."""
    if run.plot_file is None:
        return
    first = replace(photos, names=photos.names[:1], arrays=photos.arrays[:1], keys={})
    [keys], _ = first.encoded(replace(load_preset("photos"), size=_SIZE))
    [grid] = first.grids(_SIZE)
    tokens = unit_keys(keys, "graph")
    with drawn_to(run.plot_file, len(FIVE), (10, 6.5), len(_WAYS)) as panels:
        places = iter(panels)
        for name, options in _WAYS.items():
            axes = next(places)
            axes.imshow(first.arrays[0])
            axes.set_ylabel(name)
            hierarchy = OnlineAgglomerativePooling(FIVE, semantic=False, **options)(tokens, grid_graph(*grid))
            for level in hierarchy.levels[1:]:
                axes = next(places)
                part = level.instance
                axes.imshow(coloured(part.cluster, part.area).view(*grid), cmap="tab20", interpolation="nearest")
                axes.set_title(f"above {level.threshold:g}: {int(part.keep.sum())} masks")
        for axes in panels:
            axes.set(xticks=[], yticks=[])
            axes.grid(False)


def coloured(cluster: Tensor, area: Tensor) -> Tensor:
    """A number from 1 to 19 for each token, the same in a supernode, large ones apart from each other; 0 for those in
    supernodes that are too small.
    """
    rank = torch.empty_like(area).scatter_(0, area.argsort(descending=True), torch.arange(area.numel()))
    colour = torch.where(area >= _SMALLEST, 1 + rank % 19, 0)
    return colour[cluster]
