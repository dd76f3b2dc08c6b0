"""One cut of a token graph in two."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from torch import Tensor

from benchmarks.peers.eigenvector import SOLVERS, Matrix

Mask = NDArray[np.bool_]
_APART = 1e-5  # affinity of tokens that are not alike: it keeps the graph in one piece
_ROUNDING = 1e-6  # share of the largest value; solvers agree to 1e-8 and better


def alike(tokens: Tensor, tau: float) -> Mask:
    """Which pairs of unit tokens have a cosine above ``tau``, ``[N, N]``."""
    pairs: Mask = (tokens @ tokens.T > tau).numpy()
    return pairs


def cut_vector(pairs: Mask, solver: str) -> Matrix:
    """The eigenvector that cuts the graph whose affinity is 1 on the pairs and next to nothing elsewhere, ``[N]``."""
    return SOLVERS[solver](np.where(pairs, 1.0, _APART))


def seed_of(values: Matrix) -> int:
    """The token of the largest value; the first of those that are equal but for rounding.

    Tokens that are alike to the same ones have equal values, so that without the latter a solver's last bit, or the
    number of its threads, would say which of them is the seed.
    """
    largest = values.max()
    return int((values >= largest - _ROUNDING * abs(largest)).argmax())


def part_around(mask: Mask, seed: int) -> Mask:
    """The connected part (4 neighbours) of a mask ``[rows, columns]`` that holds the token ``seed``."""
    parts, _ = label(mask)
    found: Mask = parts == parts.flat[seed]
    return found
