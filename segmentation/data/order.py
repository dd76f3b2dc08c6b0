"""The order in which photos are learned from."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphpool.checks import check_count, check_number

_DRAWN_AT_ONCE = 4096
_SOURCES, _PHOTOS = 0, 1  # what a generator is for


class SampleOrder:
    """An endless order of photos that is a function of its place: nothing is to be saved to go on with it exactly.

    Without weights, every epoch is a permutation of all photos, and batches run across the borders of epochs. With
    weights, every place draws its source at random with these weights, and takes the next photo of a permutation of
    that source; its epoch is then that of the source.

    Args:
        sizes: number of photos of each source; photos are numbered through all sources.
        weights: how often each source is drawn, relative to the others, or None.
        seed: of the permutations and draws.

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
        self._before = [np.zeros(len(self._sizes), np.int64)]  # draws of each source before each block
        self._drawn = -1, np.zeros(0, np.int64)  # the block in use, and its sources
        self._permutations: dict[int, tuple[int, NDArray[np.int64]]] = {}  # of each source, the one in use

    def batch(self, step: int, batch_size: int, rank: int = 0, world: int = 1) -> list[tuple[int, int]]:
        """What one process learns from in one step.

        Args:
            step: number of the step, from 0.
            batch_size: of all processes together.
            rank: number of the process, from 0.
            world: number of processes; each takes every ``world``-th place of the batch, which itself does not depend
                on it.

        Returns:
            Pairs of epoch and index.

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
        return [self._photo(place) for place in range(step * batch_size + rank, (step + 1) * batch_size, world)]

    def _photo(self, place: int) -> tuple[int, int]:
        source, draw = self._draw(place)
        epoch, inside = divmod(draw, self._sizes[source])
        return epoch, sum(self._sizes[:source]) + int(self._permutation(source, epoch)[inside])

    def _draw(self, place: int) -> tuple[int, int]:
        """The source of a place, and how often that source was drawn before."""
        if len(self._sizes) == 1:
            return 0, place
        block, inside = divmod(place, _DRAWN_AT_ONCE)
        while len(self._before) <= block:
            counts = np.bincount(self._sources(len(self._before) - 1), minlength=len(self._sizes))
            self._before.append(self._before[-1] + counts)
        sources = self._sources(block)
        source = int(sources[inside])
        return source, int(self._before[block][source] + np.count_nonzero(sources[:inside] == source))

    def _sources(self, block: int) -> NDArray[np.int64]:
        if self._drawn[0] != block:
            rng = np.random.default_rng(np.random.SeedSequence([self.seed, _SOURCES, block]))
            self._drawn = block, rng.choice(len(self._sizes), _DRAWN_AT_ONCE, p=self._weights)
        return self._drawn[1]

    def _permutation(self, source: int, epoch: int) -> NDArray[np.int64]:
        if self._permutations.get(source, (-1,))[0] != epoch:
            rng = np.random.default_rng(np.random.SeedSequence([self.seed, _PHOTOS, source, epoch]))
            self._permutations[source] = epoch, rng.permutation(self._sizes[source])
        return self._permutations[source][1]
