"""MaskCut (Wang et al., CutLER, CVPR 2023): up to three objects a photo, by normalised cuts one after the other."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from benchmarks.peers.normalized_cut import Mask, alike, cut_vector, part_around, seed_of

_MAX_OVERLAP = 0.5  # IoU with the object before
_MIN_SHARE = 0.01  # of the photo


def mask_cut(
    tokens: Float[Tensor, "tokens channels"],
    grid: tuple[int, int],
    *,
    tau: float = 0.15,
    rounds: int = 3,
    solver: str = "eigh",
) -> Bool[Tensor, "objects rows columns"]:
    """Finds the objects of a photo, without the conditional random field that may follow.

    In each round, the tokens of the objects found so far have no affinity any more. From the second round on an object
    that repeats the one before, or is tiny, is dropped; nothing is painted then, so later rounds would find it again.

    Args:
        tokens: unit tokens, row by row.
        grid: rows and columns.
        tau: cosine above which tokens are alike.
        rounds: number of cuts.
        solver: one of :data:`~benchmarks.peers.normalized_cut.SOLVERS`.
    """
    pairs = alike(tokens, tau)
    objects: list[Mask] = []
    for _ in range(rounds):
        found = _foreground(cut_vector(pairs, solver), grid)
        if objects and (_iou(found, objects[-1]) > _MAX_OVERLAP or found.mean() <= _MIN_SHARE):
            break
        objects.append(found)
        painted = found.ravel()
        pairs[painted], pairs[:, painted] = False, False
    return torch.from_numpy(np.stack(objects))


def _foreground(vector: np.ndarray, grid: tuple[int, int]) -> Mask:
    """Returns the side of the token that stands out most; the other side if that one has three corners of the photo.

    The sign of an eigenvector is arbitrary. Asking for the corners first, and for the token only otherwise, would make
    the object depend on it.
    """
    if vector[seed_of(np.abs(vector))] < 0:
        vector = -vector
    side = vector > vector.mean()
    if side.reshape(grid)[[0, 0, -1, -1], [0, -1, 0, -1]].sum() >= 3:
        side, vector = ~side, -vector
    return part_around(side.reshape(grid), seed_of(vector))


def _iou(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())  # neither is empty: both hold their seed
