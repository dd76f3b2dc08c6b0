"""Orders the photos of a training run."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphpool.checks import check_count, check_number

_BLOCK = 4096  # positions whose sources are drawn at once
_FOR_SOURCES, _FOR_PHOTOS = 0, 1  # part of the seed: what a random generator is for


class SampleOrder:
    """Orders photos endlessly, as a function of the position: a run resumes exactly without a saved state.

    Without weights, every epoch is a permutation of all photos, and batches run across the borders of epochs. With
    weights, every position draws its source at random with these weights, and takes the next photo of a permutation
    of that source; epochs are then counted for each source.

    Args:
        sizes: number of photos of each source; photos are numbered through all sources.
        weights: how often each source is drawn, relative to the others, or None.
        seed: seed of the permutations and draws.

    Raises:
        TypeError, ValueError: sizes below 1, weights that are not positive, or not as many as sizes.

    Example:
        >>> order = SampleOrder([3], None, seed=0)
        >>> sorted(order.batch(0, 3))
        [(0, 0), (0, 1), (0, 2)]
        >>> order.batch(0, 4, rank=1, world=2) == order.batch(0, 4)[1::2]
        True
    """

    def __init__(self, sizes: Sequence[int], weights: Sequence[float] | None, seed: int) -> None:
        self.seed = check_count("seed", seed, 0)
        sizes = [check_count("sizes", size, 1) for size in sizes]
        if not sizes:
            raise ValueError("'sizes' must name at least one source, got none")
        self._weights = np.ones(1)
        if weights is not None:
            checked = [check_number("weights", weight, 0, math.inf, open_low=True) for weight in weights]
            if len(checked) != len(sizes) or not math.isfinite(sum(checked)):
                raise ValueError(f"'weights' must be {len(sizes)} finite numbers, one a source, got {checked}")
            self._weights = np.array(checked) / sum(checked)
        self._sizes = [sum(sizes)] if weights is None else sizes
        self._draws_before = [np.zeros(len(self._sizes), np.int64)]  # draws of each source before each block
        self._block = -1, np.zeros(0, np.int64)  # the current block and its sources
        self._permutations: dict[int, tuple[int, NDArray[np.int64]]] = {}  # current epoch and order, by source

    def batch(self, step: int, batch_size: int, rank: int = 0, world: int = 1) -> list[tuple[int, int]]:
        """Returns the (epoch, index) pairs of the photos that one process learns from in one step.

        Args:
            step: number of the step, from 0.
            batch_size: number of photos of all processes together.
            rank: number of the process, from 0.
            world: number of processes; each takes every ``world``-th photo of the batch, which itself does not depend
                on it.

        Raises:
            TypeError, ValueError: a number that is too small, a ``rank`` that is not below ``world``, or a
                ``batch_size`` that ``world`` does not divide.
        """
        check_count("step", step, 0)
        check_count("batch_size", batch_size, 1)
        check_count("rank", rank, 0)
        check_count("world", world, 1)
        if rank >= world:
            raise ValueError(f"'rank' must be below 'world' ({world}), got {rank}")
        if batch_size % world:
            raise ValueError(f"'batch_size' must be a multiple of 'world' ({world}), got {batch_size}")
        positions = range(step * batch_size + rank, (step + 1) * batch_size, world)
        return [self._photo(position) for position in positions]

    def _photo(self, position: int) -> tuple[int, int]:
        source, draw = self._draw(position)
        epoch, offset = divmod(draw, self._sizes[source])
        return epoch, sum(self._sizes[:source]) + int(self._permutation(source, epoch)[offset])

    def _draw(self, position: int) -> tuple[int, int]:
        """Returns the source of a position, and how often that source was drawn before."""
        if len(self._sizes) == 1:
            return 0, position
        block, offset = divmod(position, _BLOCK)
        while len(self._draws_before) <= block:
            counts = np.bincount(self._sources(len(self._draws_before) - 1), minlength=len(self._sizes))
            self._draws_before.append(self._draws_before[-1] + counts)
        sources = self._sources(block)
        source = int(sources[offset])
        return source, int(self._draws_before[block][source] + np.count_nonzero(sources[:offset] == source))

    def _sources(self, block: int) -> NDArray[np.int64]:
        if self._block[0] != block:
            rng = np.random.default_rng(np.random.SeedSequence([self.seed, _FOR_SOURCES, block]))
            self._block = block, rng.choice(len(self._sizes), _BLOCK, p=self._weights)
        return self._block[1]

    def _permutation(self, source: int, epoch: int) -> NDArray[np.int64]:
        if self._permutations.get(source, (-1,))[0] != epoch:
            rng = np.random.default_rng(np.random.SeedSequence([self.seed, _FOR_PHOTOS, source, epoch]))
            self._permutations[source] = epoch, rng.permutation(self._sizes[source])
        return self._permutations[source][1]
