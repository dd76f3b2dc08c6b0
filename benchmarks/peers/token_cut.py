"""TokenCut (Wang et al., CVPR 2022): one object a photo, by one normalised cut."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from benchmarks.peers.normalized_cut import alike, cut_vector, part_around, seed_of


def token_cut(
    tokens: Float[Tensor, "tokens channels"], grid: tuple[int, int], *, tau: float = 0.2, solver: str = "eigh"
) -> Bool[Tensor, "1 rows columns"]:
    """Finds the object of a photo.

    The cut is at the mean of the eigenvector; the object is on the side of its largest absolute value, the part of it
    that contains that token.

    Args:
        tokens: unit tokens, row by row.
        grid: rows and columns.
        tau: cosine above which tokens are alike.
        solver: one of :data:`~benchmarks.peers.normalized_cut.SOLVERS`.
    """
    vector = cut_vector(alike(tokens, tau), solver)
    seed = seed_of(np.abs(vector))
    side = vector > vector.mean()
    if not side[seed]:
        side = ~side
    return torch.from_numpy(part_around(side.reshape(grid), seed)[None])
