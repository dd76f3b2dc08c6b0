"""One cut of a token graph in two."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from torch import Tensor

from benchmarks.peers.eigenvector import SOLVERS, Matrix

Mask = NDArray[np.bool_]
_APART = 1e-5  # affinity of tokens that are not alike: it keeps the graph in one piece


def alike(tokens: Tensor, tau: float) -> Mask:
    """Which pairs of unit tokens have a cosine above ``tau``, ``[N, N]``."""
    pairs: Mask = (tokens @ tokens.T > tau).numpy()
    return pairs


def cut_vector(pairs: Mask, solver: str) -> Matrix:
    """The eigenvector that cuts the graph whose affinity is 1 on the pairs and next to nothing elsewhere, ``[N]``."""
    return SOLVERS[solver](np.where(pairs, 1.0, _APART))


def part_around(mask: Mask, seed: int) -> Mask:
    """The connected part (4 neighbours) of a mask ``[rows, columns]`` that holds the token ``seed``."""
    parts, _ = label(mask)
    found: Mask = parts == parts.flat[seed]
    return found
