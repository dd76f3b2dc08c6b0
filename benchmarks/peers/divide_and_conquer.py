"""The merge step of Divide-and-Conquer (UnSAM, Wang et al., NeurIPS 2024)."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from benchmarks.peers.agglomeration import SOLVERS

_MAX_OVERLAP = 0.9


def divide_and_conquer(
    tokens: Float[Tensor, "tokens channels"],
    grid: tuple[int, int],
    *,
    thresholds: Sequence[float] = (0.6, 0.5, 0.4, 0.3, 0.2, 0.1),
    min_area: int = 4,
    solver: str = "scan",
) -> Bool[Tensor, "clusters rows columns"]:
    """Returns the clusters of a photo at all thresholds, finest first, without near-duplicates of finer ones.

    The divide step, which proposes where to merge, needs a trained detector and is not here: the whole photo is merged.

    Args:
        tokens: unit tokens, row by row.
        grid: rows and columns.
        thresholds: falling thresholds; at each, neighbours merge while the most similar two reach it.
        min_area: smallest mask, in tokens.
        solver: ``"scan"`` or ``"heap"``.
    """
    masks = [_masks(labels, min_area) for labels in SOLVERS[solver](tokens, grid, thresholds)]
    return _distinct(torch.cat(masks)).view(-1, *grid)


def _masks(labels: np.ndarray, min_area: int) -> Tensor:
    """Returns masks ``[S, N]`` of the clusters that are large enough."""
    index, area = np.unique(labels, return_counts=True)
    return torch.from_numpy(labels == index[area >= min_area, None])


def _distinct(masks: Tensor) -> Tensor:
    """Drops masks whose IoU with one kept before is above 0.9."""
    flat = masks.float()
    area, common = flat.sum(1), flat @ flat.T
    near = (common > _MAX_OVERLAP * (area + area.unsqueeze(1) - common)).numpy()
    kept: list[int] = []
    for index in range(len(masks)):
        if not near[index, kept].any():
            kept.append(index)
    return masks[kept]
