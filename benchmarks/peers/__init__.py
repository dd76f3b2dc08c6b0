"""Other methods that make masks from tokens without labels, in implementations of our own.

Each takes unit tokens ``[N, channels]`` and the rows and columns of their grid, and returns masks over that grid,
``[S, rows, columns]``. Each has the solver that its authors use, and the fastest one we know that gives the same masks.
"""

from benchmarks.peers.divide_and_conquer import divide_and_conquer
from benchmarks.peers.mask_cut import mask_cut
from benchmarks.peers.token_cut import token_cut

__all__ = ["divide_and_conquer", "mask_cut", "token_cut"]
